package commands

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dhow-containers/dhow/commands/ui"
	"github.com/dhow-containers/dhow/run/record"
)

// The tables as they are seen: headers, widths, hostile names.
func TestTables(t *testing.T) {
	now := time.Now()
	img := sampleImage()
	hostile := sampleImage()
	hostile.Names, hostile.Digests = []string{"docker.io/library/quiet:1"}, nil
	var images []imageRow
	for _, r := range append(imageRows(img, false, true), imageRows(hostile, false, true)...) {
		r.CreatedSince = "2 years ago"
		images = append(images, r)
	}
	history := historyRows(img, []int64{7_000_000, 830_000}, false, true)
	for i := range history {
		history[i].CreatedAt = "2024-01-02T03:04:05Z"
	}
	var containers []containerRow
	for _, f := range []record.Found{
		{Container: record.Container{ID: strings.Repeat("1", 64), Name: "calm_otter", Created: now.Add(-2 * time.Hour), Image: "app", Args: []string{"sh"}},
			State: record.State{Status: record.Running, Started: now.Add(-90 * time.Minute)}},
		{Container: record.Container{ID: strings.Repeat("2", 64), Name: "bold_crab", Created: now.Add(-3 * time.Hour), Image: "evil\x1b]0;x\x07", Args: []string{"\x1b[2Jrm", "\n"}},
			State: record.State{Status: record.Exited, ExitCode: 137, Finished: now.Add(-time.Hour)}},
		{Container: record.Container{ID: strings.Repeat("3", 64), Name: "early_tide", Created: now.Add(-30 * time.Hour), Image: "r.io/a@sha256:" + strings.Repeat("0", 64), Args: []string{"true"}},
			State: record.State{Status: record.Created}},
	} {
		containers = append(containers, containerRowOf(f, now, true))
	}
	volumes := []volumeRow{{Driver: "local", Name: "data"}, {Driver: "local", Name: strings.Repeat("ab", 32)}}
	golden(t, "testdata/tables.txt", table(t, imagesTable, images)+"\n"+table(t, historyTimeTable, history)+"\n"+table(t, psTable, containers)+"\n"+
		table(t, "table {{.Driver}}\t{{.Name}}", volumes)+"\n"+table(t, psTable, []containerRow(nil)))
}

func table[R any](t *testing.T, format string, rows []R) string {
	t.Helper()
	f, err := ui.ParseFormat("", format)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "table")
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := ui.Write(out, f, rows, false); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
