package paths

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/idmap"
)

// ErrNoHome means that no data directory could be found for the caller.
var ErrNoHome = errors.New("no home directory is known")

// env is what Resolve reads of the host; tests replace it.
type env struct {
	get    func(string) string
	getwd  func() (string, error)
	passwd func() (io.ReadCloser, error)
}

func hostEnv() env {
	return env{
		get:    os.Getenv,
		getwd:  os.Getwd,
		passwd: func() (io.ReadCloser, error) { return os.Open("/etc/passwd") },
	}
}

func resolve(m idmap.Mapping, rootFlag string, e env) (Dirs, error) {
	var d Dirs
	if rootFlag != "" {
		abs := rootFlag
		if !filepath.IsAbs(abs) {
			wd, err := e.getwd()
			if err != nil {
				return d, fmt.Errorf("resolving --root %q: %w", rootFlag, err)
			}
			abs = filepath.Join(wd, abs)
		}
		d.Data, d.Source = filepath.Clean(abs), "--root"
	} else if err := defaultData(&d, m, e); err != nil {
		return Dirs{}, err
	}
	d.Runtime = filepath.Join(d.Data, "run")
	// With --root the runtime directory follows it, so that two roots never share locks or sockets.
	if base := e.get("XDG_RUNTIME_DIR"); rootFlag == "" && filepath.IsAbs(base) && ownDir(base) {
		d.Runtime = filepath.Join(filepath.Clean(base), "dhow")
	}
	d.Cache = filepath.Join(d.Data, "cache")
	if base := e.get("XDG_CACHE_HOME"); rootFlag == "" && filepath.IsAbs(base) {
		d.Cache = filepath.Join(filepath.Clean(base), "dhow")
	}
	return d, nil
}

// defaultData follows the XDG Base Directory Specification: a relative path in a variable is invalid
// and ignored.
func defaultData(d *Dirs, m idmap.Mapping, e env) error {
	if base := e.get("XDG_DATA_HOME"); filepath.IsAbs(base) {
		d.Data, d.Source = filepath.Join(filepath.Clean(base), "dhow"), "XDG_DATA_HOME"
		return nil
	}
	if m.Kind == idmap.Root {
		d.Data, d.Source = "/var/lib/dhow", "root"
		return nil
	}
	if home := e.get("HOME"); filepath.IsAbs(home) && filepath.Clean(home) != "/" {
		d.Data, d.Source = filepath.Join(filepath.Clean(home), ".local/share/dhow"), "HOME"
		return nil
	}
	home, err := passwdHome(m.CallerUID, e)
	if err != nil {
		return fmt.Errorf("finding the data directory of uid %d: %w: set HOME, XDG_DATA_HOME or --root DIR", m.CallerUID, err)
	}
	d.Data, d.Source = filepath.Join(home, ".local/share/dhow"), "passwd"
	return nil
}

// Home is the home directory of the caller, who has the uid on the host: $HOME when that is an absolute path,
// else what passwd(5) says; "" for neither.
func Home(uid uint32) string { return homeOf(uid, hostEnv()) }

func homeOf(uid uint32, e env) string {
	if home := e.get("HOME"); filepath.IsAbs(home) {
		return filepath.Clean(home)
	}
	home, _ := passwdHome(uid, e)
	return home
}

// passwdHome reads the home directory of uid from passwd(5). It asks no name service: the answer is
// wanted when the environment is bare, and a directory server must not be able to hang a command.
func passwdHome(uid uint32, e env) (string, error) {
	f, err := e.passwd()
	if err != nil {
		return "", ErrNoHome
	}
	defer f.Close()
	s := bufio.NewScanner(io.LimitReader(f, 64<<20))
	for s.Scan() {
		fields := strings.Split(s.Text(), ":")
		if len(fields) < 7 {
			continue
		}
		if id, err := strconv.ParseUint(fields[2], 10, 32); err != nil || uint32(id) != uid {
			continue
		}
		if home := fields[5]; filepath.IsAbs(home) && filepath.Clean(home) != "/" && filepath.Clean(home) != "/nonexistent" {
			return filepath.Clean(home), nil
		}
		break
	}
	if err := s.Err(); err != nil {
		return "", fmt.Errorf("reading /etc/passwd: %w", err)
	}
	return "", ErrNoHome
}

// ownDir reports whether path is a real directory that belongs to this process and that nobody else
// can write to. A symlink is refused: XDG_RUNTIME_DIR may come from a hostile environment.
func ownDir(path string) bool {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return false
	}
	return st.Mode&unix.S_IFMT == unix.S_IFDIR && int(st.Uid) == os.Geteuid() && st.Mode&0o022 == 0
}
