package commands

import (
	"fmt"
	"io"

	"github.com/dhow-containers/dhow/commands/ui"
	"github.com/dhow-containers/dhow/storage"
)

// drawVariants writes a line for each platform of an image that stands for an index. last tells that
// nothing is drawn below them on the same branch.
func drawVariants(w io.Writer, indent string, variants []storage.Variant, usage map[string]storage.ImageUsage, whole, last bool) {
	for i, v := range variants {
		branch := "├─ "
		if last && i == len(variants)-1 {
			branch = "└─ "
		}
		id := ui.ShortID(v.ID)
		if whole {
			id = "sha256:" + v.ID
		}
		created := "N/A"
		if v.Created.Unix() > 0 {
			created = ui.Since(v.Created)
		}
		shared, own := usage[v.ID].Shared, usage[v.ID].Own+v.Content
		fmt.Fprintf(w, "%s%s%s\t%s\t%s\t%s\t%s\t%s\n", indent, branch, ui.Escape(v.Platform()), id, created, ui.Size(v.Size), ui.Size(shared), ui.Size(own))
	}
}
