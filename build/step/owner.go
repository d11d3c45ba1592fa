package step

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/idmap"
)

// maxUserFile bounds /etc/passwd and /etc/group of an image, which may be hostile.
const maxUserFile = 10 << 20

// parseOwner reads "user[:group]" of --chown and USER the way BuildKit does for files
// (solver/llbsolver/ops/user_linux.go): a number stands for itself and, without a group, for the
// group of the same number; a name is looked up in /etc/passwd and /etc/group below root (-1: there
// are none), and without a group gives the user's own. BuildKit takes an unknown name for root;
// here it is an error.
func parseOwner(text string, root int, m idmap.Mapping) (owner, error) {
	user, group, _ := strings.Cut(text, ":")
	var o owner
	if user != "" {
		if id, ok := number(user); ok {
			o = owner{id, id}
		} else {
			f, err := findName(root, "etc/passwd", user, 4)
			if err != nil {
				return o, fmt.Errorf("unable to find user %s: %w", user, err)
			}
			uid, ok1 := number(f[2])
			gid, ok2 := number(f[3])
			if !ok1 || !ok2 {
				return o, fmt.Errorf("unable to find user %s: its entry in /etc/passwd is damaged", user)
			}
			o = owner{uid, gid}
		}
	}
	if group != "" {
		if id, ok := number(group); ok {
			o.gid = id
		} else {
			f, err := findName(root, "etc/group", group, 3)
			if err != nil {
				return o, fmt.Errorf("unable to find group %s: %w", group, err)
			}
			gid, ok := number(f[2])
			if !ok {
				return o, fmt.Errorf("unable to find group %s: its entry in /etc/group is damaged", group)
			}
			o.gid = gid
		}
	}
	if m.Kind == idmap.Subids {
		if _, ok := m.HostUID(o.uid); !ok {
			return o, fmt.Errorf("uid %d is outside the ids this user has: ask for a longer range in /etc/subuid", o.uid)
		}
		if _, ok := m.HostGID(o.gid); !ok {
			return o, fmt.Errorf("gid %d is outside the ids this user has: ask for a longer range in /etc/subgid", o.gid)
		}
	}
	return o, nil
}

// number reads an id; "root" counts as one.
func number(s string) (uint32, bool) {
	if s == "root" {
		return 0, true
	}
	n, err := strconv.ParseInt(s, 10, 32)
	return uint32(n), err == nil && n >= 0
}

var (
	errNoPasswd = errors.New("no such entry")
	errNoFile   = errors.New("the image has no such file")
)

// findName gives the fields of the first line of file whose first field is name and that has at
// least n fields.
func findName(root int, file, name string, n int) ([]string, error) {
	if root < 0 {
		return nil, fmt.Errorf("/%s: %w", file, errNoFile)
	}
	in, err := openInRoot(root, file)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return nil, fmt.Errorf("/%s: %w", file, errNoFile)
	}
	if err != nil {
		return nil, fmt.Errorf("/%s: %w", file, err)
	}
	defer in.Close()
	limited := &io.LimitedReader{R: in, N: maxUserFile}
	lines := bufio.NewScanner(limited)
	lines.Buffer(nil, maxUserFile)
	for lines.Scan() {
		f := strings.Split(strings.TrimSpace(lines.Text()), ":")
		if len(f) >= n && f[0] == name {
			return f, nil
		}
	}
	if err := lines.Err(); err != nil || limited.N <= 0 {
		return nil, fmt.Errorf("/%s: larger than %d bytes", file, maxUserFile)
	}
	return nil, fmt.Errorf("/%s: %w", file, errNoPasswd)
}

// openInRoot opens a regular file by a path that is resolved with root as its root directory. A
// FIFO or device in its place is refused without being opened.
func openInRoot(root int, file string) (*os.File, error) {
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS}
	fd, err := unix.Openat2(root, file, &how)
	for err == unix.EAGAIN || err == unix.EINTR {
		fd, err = unix.Openat2(root, file, &how)
	}
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, errors.New("it is not a regular file")
	}
	return os.Open("/proc/self/fd/" + strconv.Itoa(fd))
}
