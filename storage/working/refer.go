package working

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

var errNoData = errors.New("this kernel's overlay can not take the content of files from elsewhere (Linux 6.16 can)")

// Refer makes an empty file one of size bytes whose content an overlay takes from the file rel of its
// Data: the topmost of those that have it. With that, owner and mode of a file can differ without a
// copy of it. The file's own owner, mode and times count (overlayfs.rst, "Data-only" lower layers).
func Refer(fd int, rel string, size int64) error {
	if err := unix.Ftruncate(fd, size); err != nil {
		return fmt.Errorf("setting the size: %w", err)
	}
	for _, x := range []struct{ name, value string }{{"metacopy", ""}, {"redirect", "/" + rel}} {
		if err := unix.Fsetxattr(fd, overlayPrefix()+x.name, []byte(x.value), 0); err != nil {
			return fmt.Errorf("setting %s: %w", overlayPrefix()+x.name, err)
		}
	}
	return nil
}

// Unrefer takes back what an unfinished Refer did.
func Unrefer(fd int) error {
	for _, name := range []string{"metacopy", "redirect"} {
		if err := unix.Fremovexattr(fd, overlayPrefix()+name); err != nil && err != unix.ENODATA {
			return err
		}
	}
	return unix.Ftruncate(fd, 0)
}

// Referred gives the path an open file's content is taken from, "" for its own.
func Referred(fd int) string {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Fgetxattr(fd, overlayPrefix()+"redirect", buf)
	if err != nil || n < 1 {
		return ""
	}
	return string(buf[1:n])
}

// CanRefer finds out whether overlays here follow Refer, with a small one in the empty directory dir.
func CanRefer(dir string) bool {
	low, data := filepath.Join(dir, "low"), filepath.Join(dir, "data")
	for _, d := range []string{low, data} {
		if os.Mkdir(d, 0o700) != nil {
			return false
		}
	}
	f, err := os.Create(filepath.Join(low, "f"))
	if err != nil {
		return false
	}
	defer f.Close()
	const content = "followed"
	if Refer(int(f.Fd()), "f", int64(len(content))) != nil || os.WriteFile(filepath.Join(data, "f"), []byte(content), 0o600) != nil {
		return false
	}
	w := Work{Dir: filepath.Join(dir, "try"), ReadOnly: true, Lowers: []string{low}, Data: []string{data}}
	if w.Mount() != nil {
		return false
	}
	got, err := os.ReadFile(filepath.Join(w.Merged(), "f"))
	return w.Unmount() == nil && err == nil && string(got) == content
}

func overlayPrefix() string {
	if Userxattr() {
		return "user.overlay."
	}
	return "trusted.overlay."
}
