package plan

import (
	"context"

	"github.com/dhow-containers/dhow/dockerfile"
)

// Options are the wishes of the build command that change the graph.
type Options struct {
	// Target is the stage to build, by name or number; "" is the last.
	Target string
	// BuildArgs are --build-arg values.
	BuildArgs map[string]string
	// Labels are added to the result's.
	Labels map[string]string
	// NoCache marks every step as not to be taken from the cache.
	NoCache bool
	// Platform is the one built for; the zero value is that of this machine. Another operating
	// system or architecture than this machine's is refused.
	Platform Platform
	// Network is the default of RUN steps: "" and "default" are the private one, "none", "host".
	Network string
	// Hosts are --add-host entries, added to every RUN step.
	Hosts []Host
	// Contexts are the --build-context values by name, as given: "extra" → "./dir",
	// "alpine" → "docker-image://alpine:3.20". They override stages' bases and images.
	Contexts map[string]string
	// Ignore are the main context's ignore patterns, used to warn about COPY in vain; nil for none.
	Ignore *dockerfile.Matcher
	// AllowHostNetwork and AllowInsecure are entitlements of the build; what needs one that is not
	// given is refused.
	AllowHostNetwork, AllowInsecure bool
	// AllStages plans every stage, for checks.
	AllStages bool
}

// Resolver finds an image. ref is normalised and has a tag or digest. It is called from several
// goroutines, once for each reference. Its error names the image.
type Resolver func(ctx context.Context, ref string, platform Platform) (Base, error)
