package ownership

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The tests of this file need a Debian tree (OWNERSHIP_DEBIAN, made by debootstrap as root) and, for
// packages, OWNERSHIP_APT: a directory with a sources.list and the ca.crt its servers need.

func debian(t *testing.T) string {
	t.Helper()
	tree := os.Getenv("OWNERSHIP_DEBIAN")
	if tree == "" {
		t.Skip("OWNERSHIP_DEBIAN names no tree")
	}
	needUserns(t)
	return tree
}

func debianEnv() []string {
	env := []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C"}
	for _, name := range []string{"http_proxy", "https_proxy", "no_proxy"} {
		if v := os.Getenv(name); v != "" {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// TestScript runs a shell script (OWNERSHIP_SCRIPT) as root in a recorded copy of the tree: for
// trying things by hand.
func TestScript(t *testing.T) {
	tree := debian(t)
	script := os.Getenv("OWNERSHIP_SCRIPT")
	if script == "" {
		t.Skip("OWNERSHIP_SCRIPT is not set")
	}
	dir := workDir(t)
	links := unpack(t, tree, dir+"/lower")
	c := boxConfig{Dir: dir, Links: links, Args: []string{"/bin/sh", "-c", script}, Env: debianEnv()}
	if id := os.Getenv("OWNERSHIP_UID"); id != "" {
		fmt.Sscan(id, &c.UID)
		c.GID = c.UID
	}
	c.Off = os.Getenv("OWNERSHIP_OFF") != ""
	begin := time.Now()
	t.Log(c.run(t))
	t.Logf("took %v", time.Since(begin))
}

// TestDebianPackages installs packages twice, as real root and in a box, and compares what the two
// trees say of every file.
func TestDebianPackages(t *testing.T) {
	tree := debian(t)
	apt := os.Getenv("OWNERSHIP_APT")
	if apt == "" || os.Getuid() != 0 {
		t.Skip("OWNERSHIP_APT is not set, or the test is not run by root, who makes the tree to compare with")
	}
	packages := os.Getenv("OWNERSHIP_PACKAGES")
	if packages == "" {
		packages = "openssh-client dbus man-db"
	}
	script := `set -e
apt-get -o Acquire::https::CaInfo=/ca.crt -o Acquire::Check-Valid-Until=false update -qq
apt-get -o Acquire::https::CaInfo=/ca.crt install -y -qq --no-install-recommends ` + packages + ` </dev/null
`
	if packages == "-" {
		script = "set -e\n"
	}
	script += os.Getenv("OWNERSHIP_THEN")
	for _, f := range []string{"sources.list", "ca.crt"} {
		if err := os.Chmod(filepath.Join(apt, f), 0o644); err != nil {
			t.Fatal(err)
		}
	}

	native := t.TempDir()
	command(t, "cp", "-a", tree+"/.", native)
	begin := time.Now()
	command(t, "unshare", append([]string{"-mpf", "sh", "-c", `set -e
cd "$1"; : > ca.crt; mount --bind "$2/ca.crt" ca.crt; mount --bind "$2/sources.list" etc/apt/sources.list; : >> etc/resolv.conf
mount --bind /etc/resolv.conf etc/resolv.conf
mount -t proc proc proc
for d in null zero full random urandom tty; do : > dev/$d; mount --bind /dev/$d dev/$d; done
s=$3; shift 3
exec env -i "$@" chroot . /bin/sh -c "$s"`, "sh", native, apt, script}, debianEnv()...)...)
	t.Logf("as root: %v", time.Since(begin))

	dir := workDir(t)
	links := unpack(t, tree, dir+"/lower")
	c := boxConfig{Dir: dir, Links: links, Args: []string{"/bin/sh", "-c", script}, Env: debianEnv(), Binds: map[string]string{
		"/ca.crt": apt + "/ca.crt", "/etc/apt/sources.list": apt + "/sources.list", "/etc/resolv.conf": "/etc/resolv.conf",
	}}
	begin = time.Now()
	out := c.run(t)
	t.Logf("in a box: %v\n%s", time.Since(begin), out)
	compare(t, native, dir, links)
}

func command(t testing.TB, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// compare tells every difference between a native tree and what a box leaves in dir.
func compare(t *testing.T, native, dir string, lower Links) {
	t.Helper()
	want := map[string]string{}
	err := filepath.WalkDir(native, func(p string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(p, &st); err != nil {
			return err
		}
		rel, _ := filepath.Rel(native, p)
		want[rel] = strconv.Quote(describe(p, Attr{UID: st.Uid, GID: st.Gid, Mode: st.Mode, Rdev: st.Rdev}))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	links, err := FinishUpper(dir+"/upper", dir+"/table")
	if err != nil {
		t.Fatal(err)
	}
	_ = os.WriteFile(dir+"/links.json", lower.Marshal(), 0o644)
	_ = os.WriteFile(dir+"/upper.json", links.Marshal(), 0o644)
	cmd := single(t, "list")
	cmd.Args = []string{"x", dir}
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for lines := bufio.NewScanner(pipe); lines.Scan(); {
		rel, d, _ := strings.Cut(lines.Text(), "\x00")
		got[rel] = d
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	var wrong, missing, extra []string
	for rel, w := range want {
		switch g, ok := got[rel]; {
		case ignored(rel):
		case !ok:
			missing = append(missing, rel)
		case g != w:
			wrong = append(wrong, fmt.Sprintf("%s: is %s, should be %s", rel, g, w))
		}
	}
	for rel := range got {
		if _, ok := want[rel]; !ok && !ignored(rel) {
			extra = append(extra, rel)
		}
	}
	t.Logf("%d entries compared", len(want))
	for what, list := range map[string][]string{"wrong": wrong, "missing": missing, "extra": extra} {
		sort.Strings(list)
		if len(list) > 0 {
			t.Errorf("%d %s:\n%s", len(list), what, strings.Join(list, "\n"))
		}
	}
}

// ignored are names made of random numbers and the mount points of the two harnesses.
func ignored(rel string) bool {
	return rel == "ca.crt" || rel == "dev" || strings.HasPrefix(rel, "dev/") || rel == "proc" || rel == "etc/resolv.conf" ||
		strings.HasPrefix(rel, "tmp/")
}

func describe(p string, a Attr) string {
	s := fmt.Sprintf("%d:%d %o", a.UID, a.GID, a.Mode)
	if a.IsDevice() {
		s += fmt.Sprintf(" %d,%d", unix.Major(a.Rdev), unix.Minor(a.Rdev))
	}
	if a.Mode&unix.S_IFMT == unix.S_IFLNK {
		to, _ := os.Readlink(p)
		s += " -> " + to
	}
	if strings.HasSuffix(p, ".out") {
		b, _ := os.ReadFile(p)
		if len(b) > 8<<10 {
			b = fmt.Appendf(nil, "%x", sha256.Sum256(b))
		}
		s += fmt.Sprintf("\n%s", b)
	}
	var buf [64]byte
	if n, err := unix.Lgetxattr(p, "security.capability", buf[:]); err == nil && n > 4 {
		// Version 3 carries the root of the namespace; the rest is that of version 2.
		s += fmt.Sprintf(" %x", buf[4:20])
	}
	return s
}

// listRole prints what a box left, as a committed layer over its lower one.
func listRole() error {
	dir := os.Args[1]
	trees := map[string]*Tree{}
	for name, file := range map[string]string{"lower": "links.json", "upper": "upper.json"} {
		b, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			return err
		}
		links, err := ParseLinks(b)
		if err != nil {
			return err
		}
		trees[name] = &Tree{Userns: true, Links: links}
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s,userxattr", at("lower"), at("upper"), at("work"))
	if err := unix.Mount("overlay", at("merged"), "overlay", 0, options); err != nil {
		return err
	}
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	return filepath.WalkDir(at("merged"), func(p string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(at("merged"), p)
		from := "lower"
		if _, err := os.Lstat(filepath.Join(at("upper"), rel)); err == nil {
			from = "upper"
		}
		root, err := openDir(at(from))
		if err != nil {
			return err
		}
		defer unix.Close(root)
		a, _, err := trees[from].Lstat(root, rel, rel)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s\x00%q\n", rel, describe(p, a))
		return nil
	})
}

// unpack copies a tree of root's into a recorded one.
func unpack(t testing.TB, tree, into string) Links {
	t.Helper()
	tar := exec.Command("tar", "-C", tree, "--xattrs", "--xattrs-include=*", "--sort=name", "-c", ".")
	cmd := single(t, "unpack")
	cmd.Args = []string{"x", into}
	var err error
	if cmd.Stdin, err = tar.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	if err := tar.Start(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := tar.Wait(); err != nil {
		t.Fatal(err)
	}
	links, err := ParseLinks(out)
	if err != nil {
		t.Fatal(err)
	}
	return links
}
