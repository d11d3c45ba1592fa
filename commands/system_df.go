package commands

import (
	"fmt"
	"path/filepath"
	"strconv"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/dhow-containers/dhow/build"
	"github.com/dhow-containers/dhow/build/cache"
	"github.com/dhow-containers/dhow/commands/ui"
	"github.com/dhow-containers/dhow/run/record"
	"github.com/dhow-containers/dhow/storage"
	"github.com/dhow-containers/dhow/storage/volume"
)

var systemDfVerb = verb{
	name:  "system df",
	short: "Show how much room images, containers, volumes and the build cache take",
	usage: "[OPTIONS]",
	example: `dhow system df
dhow system df -v`,
	detail: `A layer counts once, however many images have it. Columns: .Type .TotalCount .Active .Size
.Reclaimable; with -v a template gets .Images .Containers .Volumes .BuildCache.`,
	flags: func() []cli.Flag {
		return []cli.Flag{
			text("format", "", "Print with a Go `template`, \"table TEMPLATE\" or \"json\""),
			yes("verbose", "v", "Show every image, container, volume and cache entry"),
		}
	},
	run: runSystemDf,
}

// dfRow is one kind of thing.
type dfRow struct {
	Type        string `header:"TYPE"`
	TotalCount  string `header:"TOTAL"`
	Active      string `header:"ACTIVE"`
	Size        string `header:"SIZE"`
	Reclaimable string `header:"RECLAIMABLE"`
}

// dfContainer is one container of system df -v.
type dfContainer struct {
	ID           string `header:"CONTAINER ID"`
	Image        string `header:"IMAGE"`
	Command      string `header:"COMMAND"`
	LocalVolumes string `header:"LOCAL VOLUMES"`
	Size         string `header:"SIZE"`
	RunningFor   string `header:"CREATED"`
	Status       string `header:"STATUS"`
	Names        string `header:"NAMES"`
	bytes        int64
}

type dfVolume struct {
	Name  string `header:"VOLUME NAME"`
	Links string `header:"LINKS"`
	Size  string `header:"SIZE"`
	bytes int64
}

type dfCache struct {
	ID            string `header:"CACHE ID"`
	CacheType     string `header:"CACHE TYPE"`
	Description   string `header:"DESCRIPTION"`
	Size          string `header:"SIZE"`
	CreatedAt     string `header:"CREATED AT"`
	CreatedSince  string `header:"CREATED"`
	LastUsedAt    string `header:"LAST USED AT"`
	LastUsedSince string `header:"LAST USED"`
	UsageCount    string `header:"USAGE"`
	InUse         string `header:"IN USE"`
	Shared        string `header:"SHARED"`
}

// disk is all system df knows.
type disk struct {
	Images     []imageRow
	Containers []dfContainer
	Volumes    []dfVolume
	BuildCache []dfCache

	rows       []dfRow
	cacheBytes int64
}

func runSystemDf(c *call) error {
	verbose := c.Bool("verbose")
	format, err := ui.ParseFormat(c.text("format"), "table {{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}")
	if err != nil {
		return err
	}
	d, err := c.disk()
	if err != nil {
		return err
	}
	if !verbose {
		return ui.Write(c.out, format, d.rows, c.terminal())
	}
	if c.text("format") != "" && c.text("format") != "table" {
		return ui.Write(c.out, format, []disk{d}, c.terminal())
	}
	fmt.Fprintf(c.out, "Images space usage:\n\n")
	if err := writeTable(c, "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}\t{{.SharedSize}}\t{{.UniqueSize}}\t{{.Containers}}", d.Images); err != nil {
		return err
	}
	fmt.Fprintf(c.out, "\nContainers space usage:\n\n")
	if err := writeTable(c, "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.LocalVolumes}}\t{{.Size}}\t{{.RunningFor}}\t{{.Status}}\t{{.Names}}", d.Containers); err != nil {
		return err
	}
	fmt.Fprintf(c.out, "\nLocal Volumes space usage:\n\n")
	if err := writeTable(c, "{{.Name}}\t{{.Links}}\t{{.Size}}", d.Volumes); err != nil {
		return err
	}
	fmt.Fprintf(c.out, "\nBuild cache usage: %s\n\n", ui.Total(d.cacheBytes))
	return writeTable(c, "{{.ID}}\t{{.CacheType}}\t{{.Size}}\t{{.CreatedSince}}\t{{.LastUsedSince}}\t{{.UsageCount}}\t{{.Shared}}", d.BuildCache)
}

func writeTable[R any](c *call, columns string, rows []R) error {
	f, err := ui.ParseFormat("table "+columns, "")
	if err != nil {
		return err
	}
	return ui.Write(c.out, f, rows, c.terminal())
}

// disk looks at everything that takes room.
func (c *call) disk() (d disk, err error) {
	s, err := c.store()
	if err != nil {
		return d, err
	}
	containers, err := c.containers()
	if err != nil {
		return d, err
	}
	using, links := map[string]int{}, map[string]int{}
	for _, f := range containers {
		using[f.ImageID]++
		for _, m := range f.Mounts {
			if m.Type == "volume" {
				links[m.Name]++
			}
		}
	}
	u, err := s.Usage(func(img storage.Image) bool { return using[img.ID] > 0 })
	if err != nil {
		return d, err
	}
	images := make([]storage.Image, 0, len(u.Images))
	for _, img := range u.Images {
		images = append(images, img.Image)
	}
	behind := storage.Behind(images)
	for id, head := range behind {
		using[head] += using[id]
	}
	active := 0
	for _, img := range u.Images {
		if behind[img.ID] != "" {
			continue
		}
		if using[img.ID] > 0 {
			active++
		}
		row := imageRows(img.Image, false, true)[0] // its first name stands for all
		row.SharedSize, row.UniqueSize = ui.Total(img.Shared), ui.Total(img.Own+img.Blobs)
		row.Containers = strconv.Itoa(using[img.ID])
		d.Images = append(d.Images, row)
	}
	d.row("Images", len(u.Images)-len(behind), active, u.ImageBytes+u.TransferBytes, u.UnusedBytes+u.TransferBytes)
	if err := c.diskContainers(&d, containers, u.ContainerBytes); err != nil {
		return d, err
	}
	volumes, err := c.volumes()
	if err != nil {
		return d, err
	}
	all, err := volumes.List()
	if err != nil {
		return d, err
	}
	d.volumes(all, links)
	return d, c.diskCache(&d, u.CacheBytes)
}

// row adds one kind; docker shows the part that can be reclaimed of the whole in percent.
func (d *disk) row(kind string, total, active int, size, reclaimable int64) {
	text := ui.Total(reclaimable)
	if size > 0 && kind != "Build Cache" {
		text += fmt.Sprintf(" (%d%%)", reclaimable*100/size)
	}
	d.rows = append(d.rows, dfRow{kind, strconv.Itoa(total), strconv.Itoa(active), ui.Total(size), text})
}

func (c *call) diskContainers(d *disk, containers []record.Found, kept int64) error {
	p, err := c.here()
	if err != nil {
		return err
	}
	size, reclaimable, active := kept, int64(0), 0
	now := time.Now()
	for _, f := range containers {
		row := containerRowOf(f, now, true)
		one := dfContainer{
			ID: row.ID, Image: row.Image, Command: row.Command, LocalVolumes: row.LocalVolumes, RunningFor: row.RunningFor, Status: row.Status, Names: row.Names,
			bytes: cache.TreeSize(filepath.Join(p.store, "containers", f.ID, "upper")),
		}
		one.Size = ui.Size(one.bytes)
		d.Containers = append(d.Containers, one)
		size += one.bytes
		if f.State.Active() {
			active++
		} else {
			reclaimable += one.bytes
		}
	}
	d.row("Containers", len(containers), active, size, reclaimable)
	return nil
}

func (d *disk) volumes(all []volume.Volume, links map[string]int) {
	var size, reclaimable int64
	active := 0
	for _, v := range all {
		one := dfVolume{Name: v.Name, Links: strconv.Itoa(links[v.Name]), bytes: cache.TreeSize(v.Dir)}
		one.Size = ui.Total(one.bytes)
		d.Volumes = append(d.Volumes, one)
		size += one.bytes
		if links[v.Name] > 0 {
			active++
		} else {
			reclaimable += one.bytes
		}
	}
	d.row("Local Volumes", len(all), active, size, reclaimable)
}

// diskCache adds the build cache: what lies in it, and the layers that moved into the image store
// and that no image has any more.
func (c *call) diskCache(d *disk, kept int64) error {
	entries, err := c.buildCache()
	if err != nil {
		return err
	}
	list, err := entries.Usage()
	if err != nil {
		return err
	}
	size, reclaimable, active := kept, kept, 0
	for _, e := range list {
		if e.InUse {
			active++
		}
		if !e.Shared {
			size += e.Size
			if !e.InUse {
				reclaimable += e.Size
			}
		}
		d.BuildCache = append(d.BuildCache, dfCacheOf(e))
	}
	d.cacheBytes = size
	d.row("Build Cache", len(list), active, size, reclaimable)
	return nil
}

// dfCacheOf gives the row of an entry; one in use is marked, as docker does.
func dfCacheOf(e cache.Entry) dfCache {
	row := dfCache{
		ID: e.ID[:min(12, len(e.ID))], CacheType: e.Type, Description: e.Name, Size: ui.Size(e.Size), CreatedAt: e.Created.Local().Format(listTime), CreatedSince: ui.Since(e.Created),
		UsageCount: strconv.FormatInt(e.Uses, 10), InUse: strconv.FormatBool(e.InUse), Shared: strconv.FormatBool(e.Shared),
	}
	if e.InUse {
		row.ID += "*"
	}
	if !e.LastUsed.IsZero() {
		row.LastUsedAt, row.LastUsedSince = e.LastUsed.Local().Format(listTime), ui.Since(e.LastUsed)
	}
	return row
}

// buildCache opens the build cache of this caller.
func (c *call) buildCache() (*cache.Cache, error) {
	p, err := c.here()
	if err != nil {
		return nil, err
	}
	s, err := c.store()
	if err != nil {
		return nil, err
	}
	return build.OpenCache(p.store, s)
}
