package commands

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dhow-containers/dhow/commands/explain"
	"github.com/dhow-containers/dhow/commands/ui"
	"github.com/dhow-containers/dhow/storage"
)

// imagesTree draws which image builds on which. An image that a filter hides is left out with its
// place taken by what it builds on.
func imagesTree(c *call, s *storage.Store, keep func(storage.Image) bool) error {
	for _, flag := range []string{"quiet", "format", "digests"} {
		if c.IsSet(flag) {
			return explain.Usage(fmt.Errorf("--tree is a form of its own: leave --%s out", flag))
		}
	}
	u, err := s.Usage(nil)
	if err != nil {
		return err
	}
	shown, byID := map[string]bool{}, map[string]storage.ImageUsage{}
	all := make([]storage.Image, 0, len(u.Images))
	for _, img := range u.Images {
		all = append(all, img.Image)
	}
	behind := storage.Behind(all)
	for _, img := range u.Images {
		byID[img.ID] = img
		shown[img.ID] = behind[img.ID] == "" && keep(img.Image)
	}
	children := map[string][]storage.ImageUsage{}
	for _, img := range u.Images {
		if !shown[img.ID] {
			continue
		}
		parent := img.Parent
		for parent != "" && !shown[parent] {
			parent = byID[parent].Parent
		}
		children[parent] = append(children[parent], img)
	}
	for _, list := range children {
		slices.SortStableFunc(list, func(a, b storage.ImageUsage) int { return strings.Compare(treeName(a.Image), treeName(b.Image)) })
	}
	w := ui.NewTable(c.out, 10, 1, 3, ' ')
	fmt.Fprintln(w, "IMAGE\tIMAGE ID\tCREATED\tSIZE\tSHARED\tOWN")
	variants := map[string][]storage.Variant{}
	for _, img := range u.Images {
		if !shown[img.ID] {
			continue
		}
		if variants[img.ID], err = s.Variants(img.Image, all); err != nil {
			return err
		}
	}
	var draw func(parent, indent string)
	draw = func(parent, indent string) {
		list := children[parent]
		for i, img := range list {
			branch, below := "", ""
			if parent != "" {
				branch, below = "├─ ", "│  "
				if i == len(list)-1 {
					branch, below = "└─ ", "   "
				}
			}
			id := ui.ShortID(img.ID)
			if c.Bool("no-trunc") {
				id = "sha256:" + img.ID
			}
			created := "N/A"
			if img.Created.Unix() > 0 {
				created = ui.Since(img.Created)
			}
			fmt.Fprintf(w, "%s%s%s\t%s\t%s\t%s\t%s\t%s\n", indent, branch, treeName(img.Image), id, created,
				ui.Size(img.Size), ui.Size(img.Shared), ui.Size(img.Own+img.Blobs))
			if len(variants[img.ID]) > 1 {
				drawVariants(w, indent+below, variants[img.ID], byID, c.Bool("no-trunc"), len(children[img.ID]) == 0)
			}
			draw(img.ID, indent+below)
		}
	}
	draw("", "")
	return w.Flush()
}

// treeName is all names of an image.
func treeName(img storage.Image) string {
	if len(img.Names) == 0 {
		return "<none>"
	}
	names := make([]string, len(img.Names))
	for i, n := range img.Names {
		names[i] = ui.Escape(familiar(n))
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
