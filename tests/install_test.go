package tests

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// install runs install.sh with nothing in the environment but a home and a path.
func install(t *testing.T, home string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	cmd := exec.Command("/bin/sh", append([]string{"../install.sh"}, args...)...)
	cmd.Env = []string{"HOME=" + home, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

// fakeDhow is a dhow of a version that knows what install.sh asks of it.
func fakeDhow(t *testing.T, version string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "dhow")
	script := "#!/bin/sh\ncase $1 in version|--version) echo " + version + ";; completion) echo \"$2 completion\";; man) case $2 in --list) echo run; echo volume-ls;; *) echo page;; esac;; *) exit 1;; esac\n"
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func release(t *testing.T, binary string) (tarball, checksum string) {
	t.Helper()
	tarball = filepath.Join(t.TempDir(), "dhow-linux-amd64.tar.gz")
	if out, err := exec.Command("tar", "-czf", tarball, "-C", filepath.Dir(binary), "dhow").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	b, err := os.ReadFile(tarball)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(b)
	return tarball, hex.EncodeToString(sum[:])
}

func files(t *testing.T, dir string) string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			names = append(names, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(names, "\n")
}

const installed = "bin/dhow\nshare/bash-completion/completions/dhow\nshare/fish/vendor_completions.d/dhow.fish\nshare/man/man1/dhow-run.1\nshare/man/man1/dhow-volume-ls.1\nshare/man/man1/dhow.1\nshare/zsh/site-functions/_dhow"

func TestInstall(t *testing.T) {
	home, prefix := t.TempDir(), filepath.Join(t.TempDir(), "a prefix")
	tarball, sum := release(t, fakeDhow(t, "1.0"))

	out, errs, err := install(t, home, "--prefix", prefix, "--tarball", tarball, "--checksum", strings.ToUpper(sum))
	if err != nil || errs != "" {
		t.Fatalf("%v\n%s%s", err, out, errs)
	}
	if !strings.Contains(out, "installed "+prefix+"/bin/dhow (1.0)\n") || !strings.Contains(out, "What to do next") {
		t.Errorf("said %q", out)
	}
	if got := files(t, prefix); got != installed {
		t.Errorf("installed\n%s", got)
	}

	// A command that runs keeps its file: an upgrade is another one.
	before, err := os.Stat(filepath.Join(prefix, "bin/dhow"))
	if err != nil {
		t.Fatal(err)
	}
	out, errs, err = install(t, home, "--prefix="+prefix, "--binary", fakeDhow(t, "1.1"))
	if err != nil || !strings.Contains(out, "from 1.0 to 1.1") {
		t.Fatalf("%v\n%s%s", err, out, errs)
	}
	after, err := os.Stat(filepath.Join(prefix, "bin/dhow"))
	if err != nil || os.SameFile(before, after) || after.Mode().Perm() != 0o755 {
		t.Errorf("the upgrade wrote into the old file, or with mode %v (%v)", after.Mode(), err)
	}

	out, errs, err = install(t, home, "--prefix", prefix, "--uninstall")
	if err != nil || errs != "" || files(t, prefix) != "" {
		t.Errorf("%v\n%s%s left %q", err, out, errs, files(t, prefix))
	}
	out, _, err = install(t, home, "--prefix", prefix, "--uninstall")
	if err != nil || !strings.Contains(out, "not installed") {
		t.Errorf("second uninstall: %v %q", err, out)
	}
}

// What is refused is refused before anything is changed, in one line.
func TestInstallRefuses(t *testing.T) {
	home := t.TempDir()
	tarball, sum := release(t, fakeDhow(t, "1.0"))
	broken := filepath.Join(t.TempDir(), "broken")
	if err := os.WriteFile(broken, []byte("#!/bin/sh\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name string
		args []string
		want string
	}{
		{"wrong checksum", []string{"--tarball", tarball, "--checksum", strings.Repeat("0", 64)}, "the checksum of"},
		{"no checksum", []string{"--tarball", tarball}, "needs --checksum"},
		{"checksum alone", []string{"--checksum", sum}, "belongs to --tarball"},
		{"plain http", []string{"--tarball", "http://example.com/x.tar.gz", "--checksum", sum}, "https:// only"},
		{"missing file", []string{"--binary", "/nonexistent/dhow"}, "no such file"},
		{"a binary that does not run", []string{"--binary", broken}, "does not run"},
		{"unknown flag", []string{"--prefx", "x"}, "unknown argument"},
		{"no value", []string{"--binary"}, "needs a value"},
	}
	for _, c := range cases {
		prefix := t.TempDir()
		out, errs, err := install(t, home, append([]string{"--prefix", prefix}, c.args...)...)
		if err == nil || !strings.Contains(errs, c.want) || strings.Count(errs, "\n") != 1 {
			t.Errorf("%s: %v, said %q%q", c.name, err, out, errs)
		}
		if got := files(t, prefix); got != "" {
			t.Errorf("%s: left %q", c.name, got)
		}
	}
}
