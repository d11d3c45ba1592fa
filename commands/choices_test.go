package commands

import (
	"slices"
	"strings"
	"testing"
)

// What completion knows of verbs and flags is of verbs and flags that are there.
func TestChoices(t *testing.T) {
	flags := map[string]bool{}
	for _, v := range verbs {
		for _, f := range describe(v) {
			flags[f.name], flags[v.name+" "+f.name] = true, true
		}
	}
	coming := []string{"restart", "userns", "ipc", "volumes-from", "volume prune filter"} // of verbs and flags that are being made
	for name := range flagChoices {
		if !flags[name] && !slices.Contains(coming, name) {
			t.Errorf("no flag %q", name)
		}
	}
	for _, v := range verbs {
		first, rest := v.operands()
		if v.max == 0 && first != "" {
			t.Errorf("%s has no operands, but %q", v.name, first)
		}
		for _, k := range []kind{first, rest} {
			if _, ok := k.words(); !ok && strings.ContainsAny(string(k), " :'") {
				t.Errorf("%s: %q", v.name, k)
			}
		}
	}
}

// A verb that docker has and dhow has not is no spelling mistake, and none that is there is told away.
func TestDockersVerbs(t *testing.T) {
	for name := range dockersVerbs {
		if v, used := find(verbs, strings.Fields(name)); v != nil && used == len(strings.Fields(name)) {
			t.Errorf("%q is there", name)
		}
	}
	for words, want := range map[string]string{
		"swarm init": `there is no "dhow swarm": dhow has no swarm mode`, "buildx ls": `there is no "dhow buildx ls"`, "buildx bake": `"dhow buildx bake" is not supported yet`,
	} {
		if err := dockersVerb(strings.Fields(words)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", words, err)
		}
	}
	if err := dockersVerb([]string{"pss"}); err != nil {
		t.Error(err)
	}
}
