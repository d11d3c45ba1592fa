package run

import (
	"path/filepath"
	"strings"

	"github.com/dhow-containers/dhow/run/record"
)

// asked are the flags that inspect shows as they were given.
func (o Options) asked() record.Asked {
	return record.Asked{
		Binds:       o.binds(),
		VolumesFrom: o.VolumesFrom,
	}
}

// binds are the -v with a source: docker counts an anonymous volume's with the image's.
func (o Options) binds() []string {
	var out []string
	for _, v := range o.Volumes {
		source, rest, ok := strings.Cut(v, ":")
		if !ok {
			continue
		}
		if strings.HasPrefix(source, ".") {
			if abs, err := filepath.Abs(source); err == nil {
				source = abs
			}
		}
		out = append(out, source+":"+rest)
	}
	return out
}
