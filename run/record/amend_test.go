package record

import (
	"errors"
	"testing"
)

func TestAmend(t *testing.T) {
	b := Book{Dir: t.TempDir()}
	e, err := b.Create(Container{ID: NewID(), Name: "one"})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	before, err := b.Find("one")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Amend(e.ID, func(c *Container) error { c.Limits.Memory, c.Name = 7, "two"; return nil }); err != nil {
		t.Fatal(err)
	}
	failed := errors.New("no")
	if err := b.Amend(e.ID, func(c *Container) error { c.Limits.Memory = 8; return failed }); !errors.Is(err, failed) {
		t.Errorf("got %v", err)
	}
	// A rename that looked before the change keeps it.
	if err := b.Rename(before, "three"); err != nil {
		t.Fatal(err)
	}
	f, err := b.Find("three")
	if err != nil || f.Limits.Memory != 7 || f.Name != "three" {
		t.Errorf("got %+v, %v", f.Container, err)
	}
	if err := b.Amend("0", func(*Container) error { return nil }); err == nil {
		t.Error("changed what is not there")
	}
}
