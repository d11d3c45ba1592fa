package plan

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"

	_ "crypto/sha512" // digests of ADD --checksum may be sha512

	"github.com/opencontainers/go-digest"

	"github.com/dhow-containers/dhow/dockerfile"
)

// transfer is what COPY and ADD have in common, expanded.
type transfer struct {
	dockerfile.Sources
	chown, chmod, checksum string
	link, parents          bool
	exclude                []string
	unpack                 *bool
	add                    bool
	from                   Origin
}

func (a *at) copy(in *dockerfile.Copy) error {
	t := transfer{Sources: in.Sources, chown: in.Chown, chmod: in.Chmod, link: in.Link, parents: in.Parents,
		exclude: in.Exclude}
	var src *stage
	if len(a.c.sources) > 0 {
		src = a.c.sources[0]
	}
	var err error
	if t.from, err = a.origin(in.From, src, "copy from"); err != nil {
		return err
	}
	return a.transfer(t)
}

func (a *at) add(in *dockerfile.Add) error {
	return a.transfer(transfer{Sources: in.Sources, chown: in.Chown, chmod: in.Chmod, checksum: in.Checksum,
		link: in.Link, exclude: in.Exclude, unpack: in.Unpack, add: true, from: Origin{Kind: FromContext}})
}

func (a *at) transfer(t transfer) error {
	if err := a.expandTransfer(&t); err != nil {
		return err
	}
	op := &CopyOp{From: t.from, Dest: a.destination(t.Dest), Chown: t.chown, Exclude: t.exclude, Add: t.add,
		Epoch: a.epoch, Link: t.link && t.chmod == ""} // with --chmod BuildKit copies the plain way
	if err := checkChown(t.chown, t.link); err != nil {
		return err
	}
	if t.chmod != "" {
		var err error
		if op.Chmod, err = ParseChmod(t.chmod); err != nil {
			return err
		}
	}
	if err := t.checkChecksum(); err != nil {
		return err
	}
	// BuildKit names the step before it looks at the sources; the name shows what was written.
	n := &Node{Op: op, Span: a.h.Span}
	n.Name = a.title(redacted(a.words.ShowPlain(a.h.Code, a.s.env)))
	if t.from.Node != nil {
		n.Inputs = []*Node{t.from.Node}
	}
	for _, src := range t.Paths {
		item, err := a.item(t, src)
		if err != nil {
			return err
		}
		op.Items = append(op.Items, item)
	}
	for _, in := range t.Inlines {
		name, err := inlineName(in.Name)
		if err != nil {
			return err
		}
		op.Items = append(op.Items, CopyItem{Inline: &Inline{Name: name, Data: in.Data}})
	}
	if len(op.Items) == 0 {
		return fmt.Errorf("%s needs a source", a.h.Name())
	}
	n.History = a.s.remember(a.maker, t.history()+" # buildkit", true)
	a.step(a.s, n)
	return nil
}

// expandTransfer replaces variables in everything COPY and ADD allow them in.
func (a *at) expandTransfer(t *transfer) error {
	for _, p := range []*string{&t.chown, &t.chmod, &t.checksum, &t.Dest} {
		var err error
		if *p, err = a.expand(*p); err != nil {
			return err
		}
	}
	var err error
	if t.Paths, err = a.expandAll(t.Paths); err != nil {
		return err
	}
	inlines := make([]dockerfile.Inline, len(t.Inlines))
	for i, in := range t.Inlines {
		if in.Expand {
			data, used, err := a.words.ExpandData(in.Data, a.s.env)
			if err != nil {
				return err
			}
			a.unknown(used)
			in.Data = data
		}
		inlines[i] = in
	}
	t.Inlines = inlines
	return nil
}

// destination makes the path absolute and keeps what says it is a directory.
func (a *at) destination(p string) string {
	dir := p == "" || p == "." || strings.HasSuffix(p, "/") || strings.HasSuffix(p, "/.")
	p = absolute(a.s.dir, p)
	if dir && p != "/" {
		p += "/"
	}
	return p
}

// item reads one source.
func (a *at) item(t transfer, src string) (CopyItem, error) {
	switch {
	case isGit(src):
		if !t.add {
			return CopyItem{}, errors.New("source can't be a git ref for COPY")
		}
		return CopyItem{}, fmt.Errorf("ADD of a git repository (%s) is not supported yet", redacted(src))
	case isHTTP(src):
		if !t.add {
			return CopyItem{}, errors.New("source can't be a URL for COPY")
		}
		return urlItem(t, src)
	case strings.IndexByte(src, 0) >= 0 || strings.IndexByte(t.Dest, 0) >= 0:
		return CopyItem{}, errors.New("a path holds a NUL byte")
	}
	if t.from.Kind == FromContext && t.from.Context == "" {
		a.checkIgnored(t, src)
	}
	item := CopyItem{Unpack: t.add && (t.unpack == nil || *t.unpack), Pattern: absolute("/", src)}
	if t.parents {
		pivot, below, ok := strings.Cut(src, "/./")
		if !ok {
			pivot, below = "/", src
		}
		item.Parents = strings.TrimPrefix(absolute("/", below), "/")
		item.Pattern = absolute("/", pivot)
		if item.Parents == "" {
			item.Parents = "**"
		}
	}
	item.Required = !hasWildcards(item.Pattern) && !hasWildcards(item.Parents)
	return item, nil
}

// checkIgnored warns about a source the ignore file hides, or one that points out of the context.
func (a *at) checkIgnored(t transfer, src string) {
	verb := "Copy"
	if t.add {
		verb = "Add"
	}
	clean := path.Clean(src)
	if clean == ".." || strings.HasPrefix(clean, "../") {
		a.checks.Note(a.h.Span, "%s %s: a path cannot leave the build context, it is taken as %s", a.h.Name(), src, absolute("/", src))
	}
	if a.opts.Ignore.HidesSource(strings.TrimPrefix(clean, "/")) || clean == "/" && a.opts.Ignore.HidesSource("/") {
		a.checks.CopyIgnored(a.h.Span, verb, clean)
	}
}

func urlItem(t transfer, src string) (CopyItem, error) {
	u, err := url.Parse(src)
	if err != nil || u.Host == "" {
		return CopyItem{}, fmt.Errorf("%s is not a URL", redacted(src))
	}
	out := &URL{Address: src, Filename: "__unnamed__", Unpack: t.unpack != nil && *t.unpack}
	if base := path.Base(u.Path); base != "." && base != "/" && base != ".." && strings.IndexByte(base, 0) < 0 {
		out.Filename = base
	}
	if t.checksum != "" {
		if out.Checksum, err = digest.Parse(t.checksum); err != nil {
			return CopyItem{}, fmt.Errorf("checksum %q: %w", t.checksum, err)
		}
	}
	return CopyItem{URL: out, Required: true}, nil
}

func (t transfer) checkChecksum() error {
	switch {
	case t.checksum == "":
		return nil
	case len(t.Paths) != 1 || len(t.Inlines) > 0:
		return errors.New("checksum can't be specified for multiple sources")
	case !isHTTP(t.Paths[0]) && !isGit(t.Paths[0]):
		return errors.New("checksum requires HTTP(S) or Git sources")
	}
	return nil
}

// history is the entry as BuildKit writes it: only some flags are shown.
func (t transfer) history() string {
	out := []string{"COPY"}
	if t.add {
		out[0] = "ADD"
	}
	if t.parents {
		out = append(out, "--parents")
	}
	if t.chown != "" {
		out = append(out, "--chown="+t.chown)
	}
	if t.chmod != "" {
		out = append(out, "--chmod="+t.chmod)
	}
	for _, p := range t.Paths {
		out = append(out, redacted(p))
	}
	for _, in := range t.Inlines {
		out = append(out, "<<"+in.Name)
	}
	return strings.Join(append(out, t.Dest), " ")
}

// checkChown looks at the form of --chown; names are looked up when the step runs.
func checkChown(chown string, link bool) error {
	if chown == "" {
		return nil
	}
	user, group, _ := strings.Cut(chown, ":")
	if user == "" && group == "" || strings.Contains(group, ":") {
		return fmt.Errorf("invalid chown parameter %q: write user, user:group or numbers", chown)
	}
	for _, name := range []string{user, group} {
		if n, err := strconv.ParseInt(name, 10, 64); err == nil && (n < 0 || n >= 1<<32-1) {
			return fmt.Errorf("invalid chown parameter %q: an id is between 0 and 4294967294", chown)
		}
		_, err := strconv.ParseInt(name, 10, 64)
		if link && name != "" && name != "root" && err != nil {
			return fmt.Errorf("--chown=%s: user and group names can't be resolved when used with --link, use numeric uid[:gid] instead", chown)
		}
	}
	return nil
}

func isHTTP(src string) bool {
	return (strings.HasPrefix(src, "http://") || strings.HasPrefix(src, "https://")) && !isGit(src)
}

// scpStyle is user@host:path, as ssh's tools take it.
var scpStyle = regexp.MustCompile(`^[a-zA-Z0-9_.-]+@[a-zA-Z0-9.-]+:`)

// isGit tells whether BuildKit takes src for a repository: git and ssh addresses, and http ones
// whose path ends in .git.
func isGit(src string) bool {
	switch {
	case strings.HasPrefix(src, "git://"), strings.HasPrefix(src, "ssh://"), scpStyle.MatchString(src):
		return true
	case strings.HasPrefix(src, "http://"), strings.HasPrefix(src, "https://"):
		src, _, _ = strings.Cut(src, "#")
		src, _, _ = strings.Cut(src, "?")
		return strings.HasSuffix(src, ".git")
	}
	return false
}

// credentials finds what stands before the host of a URL: user:password, or a token alone.
var credentials = regexp.MustCompile(`(https?://)([^/?#\s]*)@`)

// redacted hides users and passwords of URLs as BuildKit does (util/urlutil): names go to logs and
// history into the image.
func redacted(s string) string {
	if !strings.Contains(s, "@") {
		return s
	}
	return credentials.ReplaceAllStringFunc(s, func(found string) string {
		scheme, user, _ := strings.Cut(found, "://")
		if strings.Contains(user, ":") {
			return scheme + "://xxxxx:xxxxx@"
		}
		return scheme + "://xxxxx@"
	})
}

func hasWildcards(s string) bool {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '*', '?', '[':
			return true
		case '\\':
			i++
		}
	}
	return false
}
