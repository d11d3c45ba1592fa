package layer

import (
	"archive/tar"
	"fmt"
	"io"
)

// part is an entry of a tar, or some content of the one before.
type part struct {
	hdr  *tar.Header // nil: content
	last bool        // with this the content is complete
}

// composing writes the tar of one WriteTar from its parts. After an error it takes no more.
type composing struct {
	tw    *tar.Writer
	out   *sink
	split *Splitter // or nil
	hdr   *tar.Header
	err   error
}

func newComposing(w io.Writer, split *Splitter) *composing {
	out := &sink{w: w, split: split}
	return &composing{tw: tar.NewWriter(out), out: out, split: split}
}

func (c *composing) part(p part, content []byte) error {
	if c.err != nil {
		return c.err
	}
	if p.hdr != nil {
		c.hdr = p.hdr
		c.err = c.header()
	} else {
		c.err = c.content(content, p.last)
	}
	if c.err != nil {
		c.err = fmt.Errorf("%q: %w", c.hdr.Name, c.err)
	}
	return c.err
}

func (c *composing) header() error {
	if err := c.tw.WriteHeader(c.hdr); err != nil {
		return err
	}
	if c.split != nil && c.hdr.Size > 0 {
		c.out.content = c.split.Content()
	}
	return nil
}

func (c *composing) content(b []byte, last bool) error {
	if _, err := c.tw.Write(b); err != nil {
		return err
	}
	if c.split == nil || !last {
		return nil
	}
	c.out.content = nil
	return c.split.End(c.hdr.Name, c.hdr.Size)
}

func (c *composing) end() error {
	if err := c.tw.Close(); err != nil {
		return err
	}
	if c.split == nil {
		return nil
	}
	return c.split.Flush()
}

// sink passes the tar on, and what is not content to the splitter too.
type sink struct {
	w       io.Writer
	split   *Splitter
	content io.Writer // not nil while content is written
}

func (s *sink) Write(b []byte) (int, error) {
	if s.split != nil {
		if s.content != nil {
			_, _ = s.content.Write(b) // a checksum: never fails
		} else if err := s.split.Raw(b); err != nil {
			return 0, err
		}
	}
	return s.w.Write(b)
}
