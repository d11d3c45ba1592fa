package run

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/dhow-containers/dhow/run/record"
	"github.com/dhow-containers/dhow/storage/volume"
)

// A volume made for one container stays while another one was given it by name.
func TestAnonymousVolumesGoWithTheirLastUser(t *testing.T) {
	dir := t.TempDir()
	book, store := record.Book{Dir: filepath.Join(dir, "containers")}, volume.Store{Dir: filepath.Join(dir, "volumes")}
	v, err := store.Create("", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	create := func(anonymous bool) *record.Entry {
		e, err := book.Create(record.Container{ID: record.NewID(), Mounts: []record.Mount{{Type: "volume", Name: v.Name, Anonymous: anonymous}}})
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	own, other := create(true), create(false)
	if err := errors.Join(own.Remove(), removeAnonymous(store, own.Container)); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Get(v.Name); err != nil {
		t.Errorf("it was taken from the other container: %v", err)
	}
	if err := errors.Join(other.Remove(), removeAnonymous(store, own.Container)); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Get(v.Name); !errors.Is(err, volume.ErrNotFound) {
		t.Errorf("it is left: %v", err)
	}
}
