package ownership

import (
	"encoding/json"
	"fmt"
	"path"
	"strings"
)

// Owner is the owner of a symlink or FIFO.
type Owner struct {
	UID uint32 `json:"uid"`
	GID uint32 `json:"gid"`
}

// Links holds the owners of the symlinks and FIFOs of one committed tree that are not 0:0, by
// slash-separated path relative to the tree's root ("usr/bin/vi").
type Links map[string]Owner

const linksVersion = 1

type linksFile struct {
	Version int   `json:"version"`
	Links   Links `json:"links"`
}

// Marshal gives the versioned JSON form ParseLinks reads; equal tables give equal bytes.
func (l Links) Marshal() []byte {
	if l == nil {
		l = Links{}
	}
	// A map of plain structs always marshals, with sorted keys.
	b, err := json.Marshal(linksFile{Version: linksVersion, Links: l})
	if err != nil {
		panic(err)
	}
	return append(b, '\n')
}

// ParseLinks reads what Marshal wrote. Paths must be clean, relative and inside the tree.
func ParseLinks(b []byte) (Links, error) {
	var f linksFile
	if err := json.Unmarshal(b, &f); err != nil {
		return nil, fmt.Errorf("reading link owners: %w", err)
	}
	if f.Version != linksVersion {
		return nil, fmt.Errorf("reading link owners: version %d is not known here", f.Version)
	}
	for p := range f.Links {
		if p == "" || p == "." || p == ".." || strings.HasPrefix(p, "/") || strings.HasPrefix(p, "../") || path.Clean(p) != p {
			return nil, fmt.Errorf("reading link owners: path %q is not inside the tree", p)
		}
	}
	if f.Links == nil {
		f.Links = Links{}
	}
	return f.Links, nil
}

// cleanRel gives the key of a path relative to the root of a tree.
func cleanRel(rel string) string {
	return strings.TrimPrefix(path.Clean("/"+rel), "/")
}

// remove drops rel and everything below it.
func (l Links) remove(rel string) {
	if len(l) == 0 {
		return
	}
	if rel == "" {
		clear(l)
		return
	}
	delete(l, rel)
	for p := range l {
		if len(p) > len(rel) && p[len(rel)] == '/' && p[:len(rel)] == rel {
			delete(l, p)
		}
	}
}
