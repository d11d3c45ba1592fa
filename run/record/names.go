package record

import (
	"math/rand/v2"
	"strconv"
)

// randomName gives two words of the sea and its people; a number follows when many were taken.
func randomName(try int) string {
	name := adjectives[rand.IntN(len(adjectives))] + "_" + nouns[rand.IntN(len(nouns))]
	if try > 4 {
		name += strconv.Itoa(rand.IntN(1000))
	}
	return name
}

var adjectives = [...]string{
	"able", "amber", "ample", "azure", "balmy", "bold", "brave", "breezy", "brisk", "bright", "busy",
	"calm", "candid", "clear", "clever", "coral", "cosy", "crisp", "curious", "daring", "dear", "deep",
	"eager", "early", "earnest", "easy", "fair", "fleet", "fond", "frank", "free", "fresh", "gentle",
	"glad", "golden", "grand", "happy", "hardy", "hearty", "honest", "humble", "jolly", "keen", "kind",
	"lasting", "lively", "loyal", "lucid", "lucky", "mellow", "merry", "mighty", "mild", "modest",
	"neat", "nimble", "noble", "patient", "placid", "plucky", "polite", "proud", "quick", "quiet",
	"ready", "rosy", "sage", "salty", "serene", "sharp", "silver", "smooth", "snug", "sober", "solid",
	"sound", "spry", "stable", "steady", "still", "stout", "sturdy", "sunny", "swift", "tidal", "tidy",
	"tranquil", "true", "trusty", "upbeat", "vivid", "warm", "wise", "witty", "young", "zesty",
}

var nouns = [...]string{
	"admiral", "albatross", "anchor", "anemone", "atoll", "ballast", "barge", "bay", "beacon", "binnacle",
	"boatswain", "bollard", "boom", "bow", "breeze", "brig", "buoy", "cape", "captain", "capstan",
	"channel", "chart", "cleat", "clipper", "coast", "compass", "cove", "coxswain", "crab", "current",
	"cutter", "davit", "deck", "dhow", "dinghy", "dolphin", "dory", "ebb", "eddy", "estuary", "fathom",
	"felucca", "ferry", "fjord", "frigate", "gaff", "galley", "gannet", "gull", "gunwale", "halyard",
	"harbour", "haven", "hawser", "headland", "helm", "heron", "hull", "inlet", "island", "jetty", "jib",
	"junk", "kayak", "keel", "ketch", "lagoon", "lateen", "ledge", "lighthouse", "lugger", "mainsail",
	"manatee", "marina", "mariner", "mast", "monsoon", "mooring", "narwhal", "nautilus", "navigator",
	"oar", "ocean", "orca", "osprey", "otter", "outrigger", "pelican", "petrel", "pier", "pilot", "plover",
	"porpoise", "port", "prow", "puffin", "quay", "reef", "rigging", "rudder", "sail", "sailor", "sambuk",
	"schooner", "seal", "sextant", "shoal", "shore", "skiff", "skipper", "sloop", "sound", "spar",
	"spinnaker", "starboard", "stern", "strait", "surf", "tern", "tide", "tiller", "trawler", "turtle",
	"vessel", "walrus", "wave", "wharf", "whale", "winch", "yawl",
}
