package spec

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"

	"github.com/dhow-containers/dhow/rootless/idmap"
)

var (
	// ErrNoUser and ErrNoGroup mean that a name is not in the image's passwd or group file.
	ErrNoUser  = errors.New("no matching entries in passwd file")
	ErrNoGroup = errors.New("no matching entries in group file")
	// ErrIDRange means that an id is no id.
	ErrIDRange = errors.New("uids and gids must be in range 0-2147483647")
)

// identity is whom a process runs as.
type identity struct {
	uid, gid uint32
	groups   []uint32 // with gid first, so that a negative group permission is not lost (CVE-2022-2989)
	home     string
}

// lookup reads "user", "uid", "user:group" or "uid:gid" as docker does (moby/sys/user.GetExecUser):
// digits are always an id, whatever passwd calls so; the image's supplementary groups come only
// when no group was named.
func (r *rootfs) lookup(spec string, groupAdd []string) (identity, error) {
	userArg, groupArg, _ := strings.Cut(spec, ":")
	if strings.Contains(groupArg, ":") {
		return identity{}, fmt.Errorf("invalid user %q: expected name, uid, name:group or uid:gid", spec)
	}
	id := identity{home: "/"}
	wantUID, numeric, err := parseID(userArg)
	if err != nil {
		return id, fmt.Errorf("invalid user %q: %w", userArg, err)
	}
	var name string
	found := false
	err = r.eachLine("etc/passwd", func(line string) bool {
		f := strings.Split(line, ":")
		if len(f) < 4 {
			return true
		}
		uid, ok1 := fileID(f[2])
		gid, ok2 := fileID(f[3])
		if !ok1 || !ok2 || f[0] == "" {
			return true
		}
		if match := f[0] == userArg; (numeric || userArg == "") && uid != wantUID || !numeric && userArg != "" && !match {
			return true
		}
		found, name, id.uid, id.gid = true, f[0], uid, gid
		if len(f) > 5 && f[5] != "" && strings.IndexByte(f[5], 0) < 0 {
			id.home = f[5]
		}
		return false
	})
	if err != nil {
		return id, fmt.Errorf("finding user %q: %w", userArg, err)
	}
	if !found {
		if userArg != "" && !numeric {
			return id, fmt.Errorf("unable to find user %s: %w", userArg, ErrNoUser)
		}
		id.uid = wantUID
	}
	if groupArg != "" {
		if id.gid, err = r.group(groupArg); err != nil {
			return id, err
		}
	}
	id.groups = []uint32{id.gid}
	if groupArg == "" && name != "" {
		if err := r.memberships(name, &id); err != nil {
			return id, err
		}
	}
	for _, g := range groupAdd {
		gid, err := r.group(g)
		if err != nil {
			return id, err
		}
		id.addGroup(gid)
	}
	return id, nil
}

// UserNames gives the names of the users of the container with the root directory, by uid.
func UserNames(root *os.File) (map[uint32]string, error) {
	r, names := &rootfs{int(root.Fd())}, map[uint32]string{} // it stays the caller's
	err := r.eachLine("etc/passwd", func(line string) bool {
		f := strings.Split(line, ":")
		if len(f) < 4 || f[0] == "" {
			return true
		}
		if uid, ok := fileID(f[2]); ok && names[uid] == "" {
			names[uid] = f[0]
		}
		return len(names) < maxGroups
	})
	return names, err
}

// group finds a group by name or gid.
func (r *rootfs) group(arg string) (uint32, error) {
	gid, numeric, err := parseID(arg)
	if err != nil {
		return 0, fmt.Errorf("invalid group %q: %w", arg, err)
	}
	if numeric {
		return gid, nil
	}
	found := false
	err = r.eachLine("etc/group", func(line string) bool {
		f := strings.Split(line, ":")
		if len(f) < 3 || f[0] != arg {
			return true
		}
		gid, found = fileID(f[2])
		return !found
	})
	if err != nil {
		return 0, fmt.Errorf("finding group %q: %w", arg, err)
	}
	if !found {
		return 0, fmt.Errorf("unable to find group %s: %w", arg, ErrNoGroup)
	}
	return gid, nil
}

// maxGroups bounds supplementary groups, NGROUPS_MAX of setgroups(2).
const maxGroups = 65536

func (r *rootfs) memberships(name string, id *identity) error {
	err := r.eachLine("etc/group", func(line string) bool {
		f := strings.SplitN(line, ":", 5)
		if len(f) < 4 {
			return true
		}
		gid, ok := fileID(f[2])
		if !ok {
			return true
		}
		for member := range strings.SplitSeq(f[3], ",") {
			if strings.TrimSpace(member) == name {
				id.addGroup(gid)
				break
			}
		}
		return len(id.groups) < maxGroups
	})
	if err != nil {
		return fmt.Errorf("finding the groups of %q: %w", name, err)
	}
	return nil
}

func (id *identity) addGroup(gid uint32) {
	for _, have := range id.groups {
		if have == gid {
			return
		}
	}
	id.groups = append(id.groups, gid)
}

// parseID reads an id; a string that is no number is no error. A number out of range is, so that no
// overflow makes somebody root (CVE-2024-40635).
func parseID(s string) (id uint32, numeric bool, err error) {
	if s == "" {
		return 0, false, nil
	}
	digits := strings.TrimLeft(s, "+-")
	if digits == "" || strings.Trim(digits, "0123456789") != "" || len(s)-len(digits) > 1 {
		return 0, false, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt32 {
		return 0, false, ErrIDRange
	}
	return uint32(n), true, nil
}

// fileID reads an id of passwd(5) or group(5); a line with another one is no entry.
func fileID(s string) (uint32, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n > math.MaxInt32 {
		return 0, false
	}
	return uint32(n), true
}

// mapped reports ids that do not exist in this user namespace. With a single-id map every id is only
// shown, so every id is good.
func (id identity) mapped(m idmap.Mapping) error {
	if m.Kind != idmap.Subids {
		return nil
	}
	if _, ok := m.HostUID(id.uid); !ok {
		return fmt.Errorf("uid %d does not exist in this user namespace: more ids than those of /etc/subuid are needed", id.uid)
	}
	for _, g := range id.groups {
		if _, ok := m.HostGID(g); !ok {
			return fmt.Errorf("gid %d does not exist in this user namespace: more ids than those of /etc/subgid are needed", g)
		}
	}
	return nil
}
