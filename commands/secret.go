package commands

import (
	"encoding/csv"
	"fmt"
	"os"
	"strings"

	"github.com/dhow-containers/dhow/build"
	"github.com/dhow-containers/dhow/commands/explain"
)

// maxSecret is BuildKit's bound of a secret's size.
const maxSecret = 500 << 10

// secrets reads --secret values: "id=NAME[,src=FILE|,env=VARIABLE][,type=file|env]". Without src and
// env a variable of the secret's name is taken, else a file of that name. Files are looked at now, so
// that a missing one is told before the first step; their content is read when a step asks.
func secrets(values []string) ([]build.Secret, error) {
	var out []build.Secret
	for _, v := range values {
		s, err := secret(v)
		if err != nil {
			return nil, explain.Usage(fmt.Errorf("--secret %q: %w", v, err))
		}
		if s.File != "" {
			st, err := os.Stat(s.File)
			if err != nil {
				return nil, fmt.Errorf("--secret id=%s: %w", s.ID, err)
			}
			if st.IsDir() {
				return nil, fmt.Errorf("--secret id=%s: %q is a directory", s.ID, s.File)
			}
			if st.Size() > maxSecret {
				return nil, fmt.Errorf("--secret id=%s: %q is larger than %d bytes", s.ID, s.File, maxSecret)
			}
		}
		out = append(out, s)
	}
	return out, nil
}

func secret(value string) (build.Secret, error) {
	fields, err := csvFields(value)
	if err != nil {
		return build.Secret{}, err
	}
	var s build.Secret
	kind, source := "", ""
	for _, f := range fields {
		key, val, ok := strings.Cut(f, "=")
		if !ok {
			return s, fmt.Errorf("%q is not key=value", f)
		}
		switch strings.ToLower(key) {
		case "id":
			s.ID = val
		case "src", "source":
			source = val
		case "env":
			s.Env = val
		case "type":
			if val != "file" && val != "env" {
				return s, fmt.Errorf("type %q: want file or env", val)
			}
			kind = val
		default:
			return s, fmt.Errorf("unknown key %q: want id, src, env, type", key)
		}
	}
	if s.ID == "" {
		return s, fmt.Errorf("id is missing")
	}
	if kind == "env" && s.Env == "" {
		s.Env, source = source, ""
		if s.Env == "" {
			s.Env = s.ID
		}
	}
	s.File = source
	switch {
	case s.File != "" && s.Env != "":
		return s, fmt.Errorf("src and env exclude each other")
	case s.File == "" && s.Env == "" && kind != "file" && isSet(s.ID):
		s.Env = s.ID
	case s.File == "" && s.Env == "":
		s.File = s.ID
	}
	if s.Env != "" && !isSet(s.Env) {
		return s, fmt.Errorf("the environment has no %q", s.Env)
	}
	return s, nil
}

func isSet(variable string) bool {
	_, ok := os.LookupEnv(variable)
	return ok
}

// csvFields cuts "a=b,c=d" as docker does: a field with a comma stands in quotes.
func csvFields(value string) ([]string, error) {
	r := csv.NewReader(strings.NewReader(value))
	r.LazyQuotes = false
	fields, err := r.Read()
	if err != nil {
		return nil, fmt.Errorf("not a list of key=value: %w", err)
	}
	return fields, nil
}

// buildContexts reads --build-context values.
func buildContexts(values []string) (map[string]string, error) {
	out := map[string]string{}
	for _, v := range values {
		name, where, ok := strings.Cut(v, "=")
		if !ok || name == "" || where == "" {
			return nil, explain.Usage(fmt.Errorf("--build-context %q: want name=directory or name=docker-image://REF", v))
		}
		if remote(where) || strings.HasPrefix(where, "oci-layout:") || strings.HasPrefix(where, "target:") {
			return nil, &explain.Error{Text: fmt.Sprintf("--build-context %q: only directories and docker-image:// are supported yet", v), Status: 125}
		}
		out[strings.ToLower(name)] = where
	}
	return out, nil
}
