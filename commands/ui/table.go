package ui

import (
	"bytes"
	"errors"
	"io"
	"text/tabwriter"
)

// Table is a tabwriter that reaches its file in one write: by itself one makes a system call for each cell.
type Table struct {
	*tabwriter.Writer
	lines bytes.Buffer
	to    io.Writer
}

// NewTable is tabwriter.NewWriter without flags.
func NewTable(to io.Writer, minwidth, tabwidth, padding int, padchar byte) *Table {
	t := &Table{to: to}
	t.Writer = tabwriter.NewWriter(&t.lines, minwidth, tabwidth, padding, padchar, 0)
	return t
}

// Flush ends the table.
func (t *Table) Flush() error {
	err := t.Writer.Flush()
	_, werr := t.lines.WriteTo(t.to)
	return errors.Join(err, werr)
}
