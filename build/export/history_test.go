package export

import (
	"testing"
	"time"

	"github.com/dhow-containers/dhow/build/cache"
	"github.com/dhow-containers/dhow/storage"
	"github.com/dhow-containers/dhow/storage/image"
)

func at(second int64) *time.Time {
	t := time.Unix(second, 0).UTC()
	return &t
}

// A history is written as one letter an entry: B a layer of the base with its time, b one without, L
// a new layer, e an entry without a layer, E one of the base with its time.
func TestHistoryTimes(t *testing.T) {
	for _, c := range []struct {
		name, history string
		epoch         *time.Time
		want          []int64 // -1 is none
		created       int64
	}{
		{"metadata before the first new layer takes its time", "BeLe", nil, []int64{10, 100, 100, 100}, 100},
		{"each takes that of the layer before", "BeLeLe", nil, []int64{10, 100, 100, 100, 200, 200}, 200},
		{"metadata alone: the base's", "Bee", nil, []int64{10, 10, 10}, 10},
		{"a base without times", "bLe", nil, []int64{100, 100, 100}, 100},
		{"nothing has a time", "e", nil, []int64{-1}, -1},
		{"on scratch", "eLL", nil, []int64{100, 100, 200}, 200},
		{"the base's own entries keep theirs", "BEeL", at(50), []int64{10, 11, 50, 50}, 50},
		{"nothing is made later than the epoch, earlier is kept", "BLL", at(150), []int64{10, 100, 150}, 150},
		{"an epoch alone", "e", at(50), []int64{50}, 50},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := Options{Epoch: c.epoch}
			var config image.Config
			for _, k := range c.history {
				h := image.History{EmptyLayer: k == 'e' || k == 'E'}
				switch k {
				case 'B', 'b':
					o.Base = append(o.Base, storage.Layer{})
				case 'L':
					o.Layers = append(o.Layers, &cache.Layer{Record: cache.Record{Created: *at(int64(100 * (len(o.Layers) + 1)))}})
				}
				if k == 'B' {
					h.Created = at(10)
				} else if k == 'E' {
					h.Created = at(11)
				}
				if k == 'B' || k == 'b' || k == 'E' {
					o.BaseHistory++
				}
				config.History = append(config.History, h)
			}
			finishHistory(&config, o)
			for i, h := range config.History {
				if got := second(h.Created); got != c.want[i] {
					t.Errorf("entry %d has %d, want %d", i, got, c.want[i])
				}
			}
			if got := second(config.Created); got != c.created {
				t.Errorf("created %d, want %d", got, c.created)
			}
		})
	}
}

func second(t *time.Time) int64 {
	if t == nil {
		return -1
	}
	return t.Unix()
}
