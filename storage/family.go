package storage

import (
	"cmp"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/dhow-containers/dhow/storage/reference"
)

// Images that came in the same index are a family: the name of the index is that of one of them, its
// head, and the others stand behind it. The head is the one this machine runs best. A name says which
// index it stands for (imageMetadata.Targets), an image in which indexes it came (Indexes).

func digestOfReference(at string) digest.Digest {
	_, d, _ := strings.Cut(at, "@")
	return digest.Digest(d)
}

// indexOf gives the index the image stands for when it is called by n; "" when it stands for itself.
func indexOf(r imageRecord, m imageMetadata, n reference.Name) digest.Digest {
	if n.Digest != "" {
		if slices.Contains(m.Indexes, n.Digest) {
			return n.Digest
		}
		return ""
	}
	if !slices.Contains(r.Names, n.Tagged()) {
		return ""
	}
	return m.Targets[n.Tagged()]
}

// family gives the whole records that came in an index, the one this machine runs best first.
func (s *Store) family(index digest.Digest) ([]imageRecord, error) {
	records, err := s.imageRecords([][]byte{[]byte(index.String())})
	if err != nil {
		return nil, err
	}
	ranks := map[string]int{}
	records = slices.DeleteFunc(records, func(r imageRecord) bool {
		m, whole := r.metadata()
		if !whole || !slices.Contains(m.Indexes, index) {
			return true
		}
		ranks[r.ID] = rank(s.recordPlatform(r, m))
		return false
	})
	slices.SortFunc(records, func(a, b imageRecord) int {
		return cmp.Or(ranks[a.ID]-ranks[b.ID], strings.Compare(a.ID, b.ID))
	})
	return records, nil
}

// LookupFor is Lookup for a platform, "os/arch[/variant]", among those of the index the name stands
// for. An empty platform means the one this machine runs best of those that are here. The image may
// be Packed: see Unpack. An image that is here for other platforms only is ErrNotFound, told apart by
// OtherPlatform.
func (s *Store) LookupFor(name, platform string) (Image, error) {
	r, n, err := s.findNamed(name)
	if err != nil {
		return Image{}, err
	}
	img, whole, err := s.imageOf(r)
	if err == nil && !whole {
		err = notFound(name)
	}
	if err != nil {
		return Image{}, err
	}
	m, _ := r.metadata()
	img.Index = indexOf(r, m, n)
	if n == (reference.Name{}) {
		img.Index = s.indexHeaded(r, m)
	}
	if platform == "" {
		return img, nil
	}
	if ok, err := provides(platformOfConfig(img.Config), platform); ok || err != nil {
		return img, err
	}
	if img.Index == "" {
		return Image{}, platformError{name, platform}
	}
	return s.lookupIn(name, platform, img)
}

// indexHeaded is the index a name of the image stands for, "" when there is none: the whole family is
// meant by the id of its head.
func (s *Store) indexHeaded(r imageRecord, m imageMetadata) digest.Digest {
	for _, n := range slices.Sorted(slices.Values(r.Names)) {
		if x := m.Targets[n]; x != "" {
			return x
		}
	}
	return ""
}

// lookupIn looks for another platform in the family of head.
func (s *Store) lookupIn(name, platform string, head Image) (Image, error) {
	records, err := s.family(head.Index)
	if err != nil {
		return Image{}, err
	}
	for _, r := range records {
		m, _ := r.metadata()
		ok, err := provides(s.recordPlatform(r, m), platform)
		if err != nil {
			return Image{}, err
		}
		if !ok {
			continue
		}
		img, whole, err := s.imageOf(r)
		img.Index = head.Index
		if whole || err != nil {
			return img, err
		}
	}
	packed, err := s.packedImages(head.Index, atIndex(head.Digests, head.Index))
	if err != nil {
		return Image{}, err
	}
	for _, img := range packed {
		if ok, err := provides(platformOfConfig(img.Config), platform); ok || err != nil {
			return img, err
		}
	}
	return Image{}, platformError{name, platform}
}

// Behind tells of the images that a list shows only with their head, which: the ID of the head by
// that of the image. images are all of the store.
func Behind(images []Image) map[string]string {
	heads := map[digest.Digest]string{}
	for _, img := range images {
		for _, x := range img.Targets {
			heads[x] = img.ID
		}
	}
	headed := func(img Image) string {
		for _, x := range slices.Backward(img.Indexes) {
			if heads[x] != "" {
				return heads[x]
			}
		}
		return ""
	}
	// An index that lost its name is shown as its best image. Of an image's indexes only the last
	// counts here, so that no two of them stand behind each other.
	lost := map[digest.Digest]Image{}
	for _, img := range images {
		if len(img.Names) > 0 || len(img.Indexes) == 0 || headed(img) != "" {
			continue
		}
		x := img.Indexes[len(img.Indexes)-1]
		if old, ok := lost[x]; !ok || better(img, old) {
			lost[x] = img
		}
	}
	behind := map[string]string{}
	for _, img := range images {
		if len(img.Names) > 0 || len(img.Indexes) == 0 {
			continue
		}
		head := headed(img)
		if head == "" {
			head = lost[img.Indexes[len(img.Indexes)-1]].ID
		}
		if head != img.ID {
			behind[img.ID] = head
		}
	}
	return behind
}

func better(a, b Image) bool {
	return cmp.Or(rank(platformOfConfig(a.Config))-rank(platformOfConfig(b.Config)), strings.Compare(a.ID, b.ID)) < 0
}

// Variant is one platform of an index.
type Variant struct {
	Image
	// Content is the bytes of its blobs as they travel, 0 when they are not kept.
	Content int64
}

// Variants gives the platforms that are here of the index an image of a list is the head of, the one
// this machine runs best first; nil when it stands for no index. images are all of the store.
func (s *Store) Variants(head Image, images []Image) ([]Variant, error) {
	index := digest.Digest("")
	for _, n := range slices.Sorted(slices.Values(head.Names)) {
		if x := head.Targets[n]; x != "" {
			index = x
		}
	}
	if index == "" && len(head.Names) == 0 && len(head.Indexes) > 0 {
		index = head.Indexes[len(head.Indexes)-1]
	}
	if index == "" {
		return nil, nil
	}
	var list []Variant
	for _, img := range images {
		if slices.Contains(img.Indexes, index) {
			list = append(list, Variant{Image: img})
		}
	}
	packed, err := s.packedImages(index, atIndex(head.Digests, index))
	if err != nil {
		return nil, err
	}
	for _, img := range packed {
		if i := slices.IndexFunc(list, func(v Variant) bool { return v.ID == img.ID }); i >= 0 {
			list[i].Content = img.Size
			continue
		}
		list = append(list, Variant{Image: img, Content: img.Size})
	}
	slices.SortStableFunc(list, func(a, b Variant) int {
		return cmp.Or(rank(platformOfConfig(a.Config))-rank(platformOfConfig(b.Config)), strings.Compare(a.Platform(), b.Platform()))
	})
	return list, nil
}
