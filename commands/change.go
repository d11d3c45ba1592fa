package commands

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/dhow-containers/dhow/build/plan"
	"github.com/dhow-containers/dhow/commands/explain"
	"github.com/dhow-containers/dhow/dockerfile"
	"github.com/dhow-containers/dhow/storage"
)

// changeable are the instructions docker's --change takes.
var changeable = []string{"CMD", "ENTRYPOINT", "ENV", "EXPOSE", "HEALTHCHECK", "LABEL", "ONBUILD", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"}

// changed gives the configuration that instructions make of an empty one. They are read and carried
// out as a Dockerfile's are, so that they mean the same.
func changed(ctx context.Context, changes []string) (storage.ImageConfig, error) {
	if len(changes) == 0 {
		return storage.ImageConfig{}, nil
	}
	text := "FROM scratch\n"
	for _, c := range changes {
		word, _, _ := strings.Cut(strings.TrimSpace(c), " ")
		if !contains(changeable, strings.ToUpper(word)) || strings.ContainsAny(c, "\n\r") {
			return storage.ImageConfig{}, explain.Usage(fmt.Errorf("--change %q: %q can not change a configuration", c, word))
		}
		text += c + "\n"
	}
	f, err := dockerfile.Parse(strings.NewReader(text), "--change")
	if err != nil {
		return storage.ImageConfig{}, explain.Usage(err)
	}
	g, err := plan.Make(ctx, f, plan.Options{}, func(context.Context, string, plan.Platform) (plan.Base, error) {
		return plan.Base{}, errors.New("no image is read")
	})
	if err != nil {
		return storage.ImageConfig{}, explain.Usage(err)
	}
	config := g.Image
	config.History = nil
	return config, nil
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}
