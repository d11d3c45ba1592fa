package storage

import (
	"cmp"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
)

// Usage tells how much room the layers take, in bytes of their tars. Every layer is counted once.
type Usage struct {
	Images []ImageUsage // newest first
	// ImageBytes is that of all layers of images; UnusedBytes of those that only images without a
	// container have.
	ImageBytes, UnusedBytes int64
	// CacheBytes is that of layers the build cache keeps and no image has, ContainerBytes that of
	// layers a container keeps whose image was removed.
	CacheBytes, ContainerBytes int64
	// TransferBytes is what pulls that broke off left for the next one, and what was compressed for
	// registries.
	TransferBytes int64
}

// ImageUsage is one image of a Usage.
type ImageUsage struct {
	Image
	// Shared is the bytes of its layers that another image has too, Own of those only it has. Blobs is
	// that of the blobs of its index, where that is kept whole and the image stands for it.
	Shared, Own, Blobs int64
	// Parent is the ID of the image it builds on: the one with the most of its layers and no other;
	// "" when there is none.
	Parent string
}

// Usage looks at all layers. used tells whether a container uses an image; nil means none does.
func (s *Store) Usage(used func(Image) bool) (Usage, error) {
	images, err := s.Images()
	if err != nil {
		return Usage{}, err
	}
	layers, err := s.layerRecords()
	if err != nil {
		return Usage{}, err
	}
	pins, err := s.pins().Read()
	if err != nil {
		return Usage{}, err
	}
	holders, active := map[string]int{}, map[string]bool{}
	for _, img := range images {
		inUse := used != nil && used(img)
		for _, l := range img.Layers {
			holders[l.ID]++
			active[l.ID] = active[l.ID] || inUse
		}
	}
	var u Usage
	for id := range holders {
		u.ImageBytes += layers[id].Size
		if !active[id] {
			u.UnusedBytes += layers[id].Size
		}
	}
	mapped, err := s.mappedBytes()
	if err != nil {
		return Usage{}, err
	}
	for id, n := range mapped {
		if holders[id] == 0 {
			continue // below
		}
		u.ImageBytes += n
		if !active[id] {
			u.UnusedBytes += n
		}
	}
	blobs, err := s.usageOfBlobs(images, &u, func(img Image) bool { return used != nil && used(img) })
	if err != nil {
		return Usage{}, err
	}
	counted := map[string]bool{}
	keep := func(kind string, total *int64) {
		for id, owners := range pins {
			if !slices.ContainsFunc(owners, func(o string) bool { return strings.HasPrefix(o, kind) }) {
				continue
			}
			for ; id != "" && holders[id] == 0 && !counted[id]; id = layers[id].Parent {
				counted[id] = true
				*total += layers[id].Size + mapped[id]
			}
		}
	}
	keep("container:", &u.ContainerBytes)
	keep("cache:", &u.CacheBytes)
	keep(arrivalPin, &u.TransferBytes)
	for _, dir := range s.transferDirs() {
		files, err := filesByAge(dir)
		if err != nil {
			return Usage{}, err
		}
		for _, f := range files {
			u.TransferBytes += f.Size()
		}
	}
	parents := parentsOf(images)
	for _, img := range images {
		one := ImageUsage{Image: img, Parent: parents[img.ID], Blobs: blobs[img.ID]}
		for _, l := range img.Layers {
			if holders[l.ID] > 1 {
				one.Shared += layers[l.ID].Size + mapped[l.ID]
			} else {
				one.Own += layers[l.ID].Size + mapped[l.ID]
			}
		}
		u.Images = append(u.Images, one)
	}
	return u, nil
}

// usageOfBlobs counts the blobs of indexes, and gives those of each head of a family by its ID. A blob
// of two indexes counts for one of them.
func (s *Store) usageOfBlobs(images []Image, u *Usage, used func(Image) bool) (map[string]int64, error) {
	blobs, err := s.vaultBlobs()
	if err != nil || len(blobs) == 0 {
		return nil, err
	}
	behind := Behind(images)
	active := map[string]bool{}
	for _, img := range images {
		if used(img) {
			active[cmp.Or(behind[img.ID], img.ID)] = true
		}
	}
	own, counted := map[string]int64{}, map[digest.Digest]bool{}
	for _, img := range images {
		head := cmp.Or(behind[img.ID], img.ID)
		reached := map[digest.Digest]bool{}
		for _, x := range img.Indexes {
			s.reach(x, reached)
		}
		for d := range reached {
			if counted[d] {
				continue
			}
			counted[d] = true
			own[head] += blobs[d]
			u.ImageBytes += blobs[d]
			if !active[head] {
				u.UnusedBytes += blobs[d]
			}
		}
	}
	return own, nil
}

// transferDirs are where files of transfers lie that outlive a command.
func (s *Store) transferDirs() []string { return []string{s.partialDir(), s.compressedDir()} }

// parentsOf gives the image each image builds on. Of images with the very same layers the oldest is
// the one the others build on, as a tag or a changed config of it.
func parentsOf(images []Image) map[string]string {
	byTop := map[string][]Image{} // topmost layer, oldest first
	for _, img := range slices.Backward(images) {
		if n := len(img.Layers); n > 0 {
			top := img.Layers[n-1].ID
			byTop[top] = append(byTop[top], img)
		}
	}
	parents := map[string]string{}
	for _, img := range images {
		n := len(img.Layers)
		if n == 0 {
			continue
		}
		if same := byTop[img.Layers[n-1].ID]; same[0].ID != img.ID {
			parents[img.ID] = same[0].ID
			continue
		}
		for i := n - 2; i >= 0; i-- {
			if below := byTop[img.Layers[i].ID]; len(below) > 0 {
				parents[img.ID] = below[0].ID
				break
			}
		}
	}
	return parents
}
