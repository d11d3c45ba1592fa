package export

import (
	"time"

	"github.com/dhow-containers/dhow/storage/image"
)

// finishHistory fills in the moments of a history and of the image, as BuildKit does
// (exporter/containerimage/writer.go, normalizeLayersAndHistory and patchImageConfig): an entry with
// a layer has the moment the layer was made, which the cache remembers; one without has that of the
// layer before it, or of the first new layer. So the same layers make the same image again.
func finishHistory(config *image.Config, o Options) {
	h := config.History
	next := 0 // of all layers
	for i := range h {
		if h[i].EmptyLayer {
			continue
		}
		if h[i].Created == nil && next >= len(o.Base) && next-len(o.Base) < len(o.Layers) {
			at := o.Layers[next-len(o.Base)].Created
			h[i].Created = &at
		}
		next++
	}
	var at *time.Time
	missing := false
	for i := range h {
		if h[i].Created == nil {
			missing = true
			continue
		}
		at = h[i].Created
		if missing {
			break
		}
	}
	missing = false
	for i := range h {
		switch {
		case h[i].Created == nil:
			missing = true
			h[i].Created = at
		case missing:
			at = h[i].Created
		}
	}
	if o.Epoch != nil {
		for i := o.BaseHistory; i < len(h); i++ {
			if h[i].Created == nil || h[i].Created.After(*o.Epoch) {
				h[i].Created = o.Epoch
			}
		}
	}
	if config.Created == nil {
		for i := range h {
			if h[i].Created != nil {
				config.Created = h[i].Created
			}
		}
	}
	if o.Epoch != nil && (config.Created == nil || config.Created.After(*o.Epoch)) {
		config.Created = o.Epoch
	}
}
