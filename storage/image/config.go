// Package image holds the configuration document of an image: what an image says of itself and of
// the containers made from it.
//
// It is the OCI image configuration (image-spec v1.1, config.md) with the fields Docker adds to it
// (docker-image-spec v1.3: Healthcheck, OnBuild, Shell, ArgsEscaped), spelled as BuildKit writes
// them. It is shared by build, which makes such documents, and by run/spec, which reads them; it
// knows nothing of stores and registries.
package image

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
)

// Config is the whole document, the blob whose digest is the image's ID.
type Config struct {
	Created      *time.Time      `json:"created,omitempty"`
	Author       string          `json:"author,omitempty"`
	Architecture string          `json:"architecture"`
	Variant      string          `json:"variant,omitempty"`
	OS           string          `json:"os"`
	OSVersion    string          `json:"os.version,omitempty"`
	OSFeatures   []string        `json:"os.features,omitempty"`
	Config       ContainerConfig `json:"config"`
	RootFS       RootFS          `json:"rootfs"`
	History      []History       `json:"history,omitempty"`
}

// ContainerConfig is what containers of the image start with.
type ContainerConfig struct {
	User         string              `json:"User,omitempty"`
	ExposedPorts map[string]struct{} `json:"ExposedPorts,omitempty"` // "80/tcp"
	Env          []string            `json:"Env,omitempty"`
	Entrypoint   []string            `json:"Entrypoint,omitempty"`
	Cmd          []string            `json:"Cmd,omitempty"`
	Volumes      map[string]struct{} `json:"Volumes,omitempty"`
	WorkingDir   string              `json:"WorkingDir,omitempty"`
	Labels       map[string]string   `json:"Labels,omitempty"`
	StopSignal   string              `json:"StopSignal,omitempty"`
	ArgsEscaped  bool                `json:"ArgsEscaped,omitempty"`
	Healthcheck  *Healthcheck        `json:"Healthcheck,omitempty"`
	OnBuild      []string            `json:"OnBuild,omitempty"`
	Shell        []string            `json:"Shell,omitempty"`
	StopTimeout  *int                `json:"StopTimeout,omitempty"` // seconds
}

// Healthcheck is Docker's HealthcheckConfig. Durations are nanoseconds in JSON; zero means the
// default, Retries 0 too.
type Healthcheck struct {
	// Test is {} to inherit, {"NONE"}, {"CMD", args...} or {"CMD-SHELL", command}.
	Test          []string      `json:"Test,omitempty"`
	Interval      time.Duration `json:"Interval,omitempty"`
	Timeout       time.Duration `json:"Timeout,omitempty"`
	StartPeriod   time.Duration `json:"StartPeriod,omitempty"`
	StartInterval time.Duration `json:"StartInterval,omitempty"`
	Retries       int           `json:"Retries,omitempty"`
}

// RootFS lists the layers, base first, by the digest of their uncompressed tar.
type RootFS struct {
	Type    string          `json:"type"`
	DiffIDs []digest.Digest `json:"diff_ids"`
}

// History tells of one instruction; entries that made no layer have EmptyLayer set, so that the
// others stand in the order of RootFS.DiffIDs.
type History struct {
	Created    *time.Time `json:"created,omitempty"`
	CreatedBy  string     `json:"created_by,omitempty"`
	Author     string     `json:"author,omitempty"`
	Comment    string     `json:"comment,omitempty"`
	EmptyLayer bool       `json:"empty_layer,omitempty"`
}

// Parse reads a configuration document. A config without rootfs, as artifacts have, is an error:
// no container can be made from it.
func Parse(data []byte) (Config, error) {
	var c Config
	if err := json.Unmarshal(data, &c); err != nil {
		return Config{}, fmt.Errorf("reading the image configuration: %w", err)
	}
	if c.RootFS.Type != "" && c.RootFS.Type != "layers" {
		return Config{}, fmt.Errorf("reading the image configuration: rootfs of type %q, only \"layers\" is known", c.RootFS.Type)
	}
	for _, d := range c.RootFS.DiffIDs {
		if err := d.Validate(); err != nil {
			return Config{}, fmt.Errorf("reading the image configuration: diff id %q: %w", d, err)
		}
	}
	return c, nil
}

// Marshal gives the document's bytes; the same value gives the same bytes.
func (c Config) Marshal() ([]byte, error) {
	if c.RootFS.Type == "" {
		c.RootFS.Type = "layers"
	}
	if c.RootFS.DiffIDs == nil {
		c.RootFS.DiffIDs = []digest.Digest{}
	}
	return json.Marshal(c)
}

// Clone gives a copy that shares nothing with c.
func (c Config) Clone() Config {
	c.Created = clonePointer(c.Created)
	c.OSFeatures = slices.Clone(c.OSFeatures)
	c.Config = c.Config.Clone()
	c.RootFS.DiffIDs = slices.Clone(c.RootFS.DiffIDs)
	c.History = slices.Clone(c.History)
	for i := range c.History {
		c.History[i].Created = clonePointer(c.History[i].Created)
	}
	return c
}

// Clone gives a copy that shares nothing with c.
func (c ContainerConfig) Clone() ContainerConfig {
	c.ExposedPorts = maps.Clone(c.ExposedPorts)
	c.Env = slices.Clone(c.Env)
	c.Entrypoint = slices.Clone(c.Entrypoint)
	c.Cmd = slices.Clone(c.Cmd)
	c.Volumes = maps.Clone(c.Volumes)
	c.Labels = maps.Clone(c.Labels)
	c.OnBuild = slices.Clone(c.OnBuild)
	c.Shell = slices.Clone(c.Shell)
	c.StopTimeout = clonePointer(c.StopTimeout)
	if c.Healthcheck != nil {
		h := *c.Healthcheck
		h.Test = slices.Clone(h.Test)
		c.Healthcheck = &h
	}
	return c
}

func clonePointer[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}
