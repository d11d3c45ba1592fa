package commands

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/dhow-containers/dhow/build/cache"
	"github.com/dhow-containers/dhow/commands/explain"
	"github.com/dhow-containers/dhow/commands/ui"
)

var builderDuVerb = verb{
	name: "builder du", also: []string{"buildx du"},
	short: "Show what the build cache keeps",
	usage: "[OPTIONS]",
	example: `dhow builder du
dhow builder du --verbose --filter type=exec.cachemount`,
	detail: cacheFilterHelp,
	flags: func() []cli.Flag {
		return []cli.Flag{
			list("filter", "", "Show only that for which `key=value` holds"),
			text("format", "", "Print with a Go `template`, \"table TEMPLATE\" or \"json\""),
			yes("verbose", "", "Tell all about each"),
			hidden(text("builder", "", "`name` Docker's builder; there is one")),
			hidden(text("timeout", "", "`time` Docker's wait for a builder")),
		}
	},
	run: func(c *call) error {
		keep, until, err := cacheFilters(c.list("filter"))
		if err != nil {
			return explain.Usage(err)
		}
		f, err := ui.ParseFormat(c.text("format"), "")
		if err != nil {
			return err
		}
		held, err := c.buildCache()
		if err != nil {
			return err
		}
		all, err := held.Usage()
		if err != nil {
			return err
		}
		var shown []cache.Entry
		for _, e := range all {
			if keep(e) && (until.IsZero() || !e.LastUsed.After(until)) {
				shown = append(shown, e)
			}
		}
		if c.text("format") == "" {
			return c.printEntries(shown, len(c.list("filter")) == 0)
		}
		var rows []dfCache
		for _, e := range shown {
			row := dfCacheOf(e)
			row.ID = e.ID
			rows = append(rows, row)
		}
		return ui.Write(c.out, f, rows, c.terminal())
	},
}

const cacheFilterHelp = `Filters: until=DURATION (not used since), id=REGEX, type=regular|exec.cachemount, description=REGEX,
inuse=true|false, shared=true|false.`

// cacheFilters reads --filter of the build cache: what to keep in sight, and until when it was used
// last at most.
func cacheFilters(values []string) (keep func(cache.Entry) bool, until time.Time, err error) {
	var tests []func(cache.Entry) bool
	for _, v := range values {
		key, value, _ := strings.Cut(v, "=")
		var test func(cache.Entry) bool
		switch key {
		case "until", "unused-for":
			if until, err = since1970(value); err != nil {
				return nil, until, err
			}
			continue
		case "id", "description":
			value = strings.TrimPrefix(value, "=")
			if _, err := regexp.Compile(value); err != nil {
				return nil, until, fmt.Errorf("invalid filter %q: %w", v, err)
			}
			test = func(e cache.Entry) bool {
				return key == "id" && matches(value, e.ID) || key != "id" && matches(value, e.Name)
			}
		case "type":
			test = func(e cache.Entry) bool { return e.Type == value }
		case "inuse", "shared", "private":
			want := true
			if strings.Contains(v, "=") {
				if want, err = strconv.ParseBool(value); err != nil {
					return nil, until, fmt.Errorf("invalid filter %q: neither true nor false", v)
				}
			}
			test = func(e cache.Entry) bool {
				return map[string]bool{"inuse": e.InUse, "shared": e.Shared, "private": !e.Shared}[key] == want
			}
		default:
			return nil, until, fmt.Errorf("invalid filter %q: the build cache has description, id, inuse, shared, type, until", key)
		}
		tests = append(tests, test)
	}
	return func(e cache.Entry) bool {
		for _, test := range tests {
			if !test(e) {
				return false
			}
		}
		return true
	}, until, nil
}

// printEntries shows entries of the build cache as buildx does, and their sum.
func (c *call) printEntries(entries []cache.Entry, summary bool) error {
	w := ui.NewTable(c.out, 1, 8, 1, '\t')
	if len(entries) > 0 && !c.Bool("verbose") {
		fmt.Fprintln(w, "ID\tRECLAIMABLE\tSIZE\tLAST ACCESSED")
	}
	var total, reclaimable, shared int64
	for _, e := range entries {
		total += e.Size
		size, used := ui.Total(e.Size), ""
		if e.Shared {
			shared, size = shared+e.Size, size+"*"
		}
		if !e.InUse {
			reclaimable += e.Size
		}
		if !e.LastUsed.IsZero() {
			used = ui.Since(e.LastUsed)
		}
		if !c.Bool("verbose") {
			fmt.Fprintf(w, "%-40s\t%-5t\t%-10s\t%s\n", ui.Escape(e.ID[:min(25, len(e.ID))]), !e.InUse, size, used)
			continue
		}
		fmt.Fprintf(w, "ID:\t%s\nCreated at:\t%s\nMutable:\t%t\nReclaimable:\t%t\nShared:\t%t\nSize:\t%s\nDescription:\t%s\nUsage count:\t%d\nLast used:\t%s\nType:\t%s\n\n",
			ui.Escape(e.ID), e.Created.Local().Format(listTime), e.Type == "exec.cachemount", !e.InUse, e.Shared, ui.Total(e.Size), ui.Escape(e.Name), e.Uses, used, e.Type)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if summary {
		if shared > 0 {
			fmt.Fprintf(w, "Shared:\t%s\nPrivate:\t%s\n", ui.Total(shared), ui.Total(total-shared))
		}
		fmt.Fprintf(w, "Reclaimable:\t%s\n", ui.Total(reclaimable))
	}
	fmt.Fprintf(w, "Total:\t%s\n", ui.Total(total))
	return w.Flush()
}
