package commands

import (
	"fmt"

	"github.com/dhow-containers/dhow/commands/explain"
)

// dockersVerbs are docker's verbs that dhow has no use for, with the reason; a word stands for its whole
// group. They are no spelling mistakes.
var dockersVerbs = map[string]string{
	"swarm": noSwarm, "service": noSwarm, "stack": noSwarm, "node": noSwarm, "secret": noSwarm, "config": noSwarm,
	"context": "there is no server to choose: dhow works by itself",
	"plugin":  "dhow has no plugins", "buildx install": "dhow builds by itself", "buildx uninstall": "dhow builds by itself",
	"trust": "signatures are asked for by policy.json", "container checkpoint": "checkpoints are not supported", "checkpoint": "checkpoints are not supported",
	"buildx create": noBuilders, "buildx use": noBuilders, "buildx ls": noBuilders, "buildx inspect": noBuilders, "buildx rm": noBuilders,
	"buildx stop": noBuilders, "builder create": noBuilders, "builder use": noBuilders, "builder ls": noBuilders, "builder inspect": noBuilders,
	"builder rm": noBuilders, "builder stop": noBuilders,
	"buildx bake": notYet, "builder bake": notYet, "buildx imagetools": notYet, "builder imagetools": notYet, "buildx history": notYet, "buildx dial-stdio": noBuilders,
	"scout": "dhow does not look for vulnerabilities", "sbom": "dhow does not list an image's packages", "init": "dhow writes no Dockerfile",
	"machine": "dhow needs no virtual machine", "pod": "dhow has no pods", "generate": notYet, "play": notYet, "kube": notYet,
	"system service": "there is no server: every command works by itself", "system dial-stdio": "there is no server: every command works by itself",
	"system connection": "there is no server to choose: dhow works by itself", "system migrate": "there is nothing to migrate",
}

const (
	noSwarm    = "dhow has no swarm mode: it runs containers on one machine"
	noBuilders = "there are no builders to manage: dhow builds by itself"
	notYet     = "not supported yet"
)

// dockersVerb gives the one line that answers a verb docker has and dhow has not; nil for other words.
func dockersVerb(words []string) error {
	name := words[0]
	why := dockersVerbs[name]
	if len(words) > 1 && why == "" {
		name += " " + words[1]
		why = dockersVerbs[name]
	}
	switch why {
	case "":
		return nil
	case notYet:
		return &explain.Error{Text: fmt.Sprintf("%q is not supported yet", "dhow "+name), Status: 1}
	}
	return &explain.Error{Text: fmt.Sprintf("there is no %q: %s", "dhow "+name, why), Status: 1}
}
