package plan

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dhow-containers/dhow/dockerfile"
)

// Names of build arguments that steer the builder and are not the Dockerfile's to declare.
const (
	argEpoch     = "SOURCE_DATE_EPOCH"
	argCacheNS   = "BUILDKIT_CACHE_MOUNT_NS"
	argHostname  = "BUILDKIT_SANDBOX_HOSTNAME"
	argSyntax    = "BUILDKIT_SYNTAX"
	argInline    = "BUILDKIT_INLINE_CACHE"
	argMulti     = "BUILDKIT_MULTI_PLATFORM"
	builderScope = "BUILDKIT_"
)

// notEnv are ARGs that speak to the builder even when declared; they never enter an environment.
var notEnv = map[string]bool{"BUILDKIT_SBOM_SCAN_CONTEXT": true, "BUILDKIT_SBOM_SCAN_STAGE": true}

// proxyNames are predefined: they reach RUN without an ARG, and neither history nor key knows them.
var proxyNames = []string{"http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy"}

// builderArgs acts on the build arguments that are meant for the builder itself.
func (m *maker) builderArgs() error {
	args := m.opts.BuildArgs
	if v := args[argSyntax]; v != "" {
		if _, err := dockerfile.Parse(strings.NewReader("# syntax="+v+"\nFROM scratch\n"), "--build-arg "+argSyntax); err != nil {
			return err
		}
	}
	if on, _ := strconv.ParseBool(args[argInline]); on {
		return errors.New("--build-arg BUILDKIT_INLINE_CACHE=1: writing the cache into the image is not supported yet")
	}
	if on, _ := strconv.ParseBool(args[argMulti]); on {
		return errors.New("--build-arg BUILDKIT_MULTI_PLATFORM=1: images of several platforms are not supported yet")
	}
	for _, name := range proxyNames {
		// Either spelling sets both, the one that comes last in order of name wins.
		value, set := "", false
		for _, k := range slices.Sorted(maps.Keys(args)) {
			if strings.EqualFold(k, name) {
				value, set = args[k], true
			}
		}
		if set && value != "" {
			m.proxy = append(m.proxy, strings.ToUpper(name)+"="+value, name+"="+value)
		}
	}
	return nil
}

// globalArgs sets the automatic arguments and those before the first FROM.
func (m *maker) globalArgs() error {
	auto := m.automaticArgs()
	m.checkDefaults(auto)
	var err error
	if m.globals, err = m.metaArgs(auto, m.opts.BuildArgs); err != nil {
		return err
	}
	for _, a := range m.file.Args {
		for _, d := range a.Args {
			m.declared[d.Key] = true
		}
	}
	return m.sourceDateEpoch()
}

func (m *maker) automaticArgs() *vars {
	b, t := HostPlatform(), m.platform
	stage := m.opts.Target
	if stage == "" {
		stage = m.file.Stages[len(m.file.Stages)-1].Name
	}
	if stage == "" {
		stage = "default"
	}
	v := newVars()
	for _, kv := range [][2]string{
		{"BUILDPLATFORM", b.String()}, {"BUILDOS", b.OS}, {"BUILDOSVERSION", ""}, {"BUILDARCH", b.Architecture}, {"BUILDVARIANT", b.Variant},
		{"TARGETPLATFORM", t.String()}, {"TARGETOS", t.OS}, {"TARGETOSVERSION", ""}, {"TARGETARCH", t.Architecture}, {"TARGETVARIANT", t.Variant},
		{"TARGETSTAGE", stage},
	} {
		if given, ok := m.opts.BuildArgs[kv[0]]; ok {
			kv[1] = given
		}
		v.set(kv[0], kv[1])
	}
	return v
}

// metaArgs evaluates the ARGs before the first FROM, each seeing those above it.
func (m *maker) metaArgs(auto *vars, given map[string]string) (*vars, error) {
	out := auto.clone()
	for _, a := range m.file.Args {
		for _, d := range a.Args {
			value, ok := given[d.Key]
			if !ok && d.Value != nil {
				var err error
				if value, _, err = m.words.Expand(*d.Value, out); err != nil {
					return nil, m.file.Wrap(a.Head().Span, err)
				}
				ok = true
			}
			if ok {
				out.set(d.Key, value)
			}
		}
	}
	return out, nil
}

// checkDefaults finds bases that are no reference when no build argument is given.
func (m *maker) checkDefaults(auto *vars) {
	defaults, err := m.metaArgs(auto, nil)
	if err != nil {
		return // the real evaluation will say so
	}
	for _, s := range m.file.Stages {
		base, _, err := m.words.Expand(s.Base, defaults)
		if err != nil {
			return
		}
		if _, err := parseRef(base); err != nil {
			m.checks.InvalidDefaultArgInFrom(s.Head.Span, s.Base)
		}
	}
}

// sourceDateEpoch reads SOURCE_DATE_EPOCH from the build arguments or a global ARG.
func (m *maker) sourceDateEpoch() error {
	v, ok := m.opts.BuildArgs[argEpoch]
	if !ok {
		v, _ = m.globals.Get(argEpoch)
	}
	if v == "" {
		return nil
	}
	seconds, err := strconv.ParseInt(v, 10, 64)
	if err != nil || seconds < 0 || seconds > 253402300799 { // the end of the year 9999
		err = fmt.Errorf("SOURCE_DATE_EPOCH %q is not a number of seconds since 1970", v)
		for _, a := range m.file.Args {
			for _, d := range a.Args {
				if d.Key == argEpoch && !ok {
					return m.file.Wrap(a.Head().Span, err)
				}
			}
		}
		return err
	}
	t := time.Unix(seconds, 0).UTC()
	m.epoch = &t
	return nil
}

// noteUnusedArgs tells of --build-arg values that no ARG of the Dockerfile takes.
func (m *maker) noteUnusedArgs() {
	declared := maps.Clone(m.declared)
	for _, s := range m.stages {
		for _, c := range s.commands {
			if a, ok := c.in.(*dockerfile.Arg); ok {
				for _, d := range a.Args {
					declared[d.Key] = true
				}
			}
		}
	}
	var unused []string
	for k := range m.opts.BuildArgs {
		known := declared[k] || k == argEpoch || strings.HasPrefix(k, builderScope) ||
			slices.Contains(proxyNames, strings.ToLower(k)) || strings.HasPrefix(k, "TARGET") || strings.HasPrefix(k, "BUILD")
		if !known {
			unused = append(unused, k)
		}
	}
	if len(unused) > 0 {
		slices.Sort(unused)
		m.checks.Note(dockerfile.Span{}, "one or more build-args %v were not consumed: no ARG declares them", unused)
	}
}
