package monitor

import (
	"errors"
	"os"
	"time"
)

// Root gives the root directory of the container in dir as its processes see it, with everything that is
// mounted there, as a descriptor that names it (O_PATH). ErrGone when it does not run.
func Root(dir string) (*os.File, error) {
	c, err := Dial(dir)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	if err := request(c, Request{Op: "root"}); err != nil {
		return nil, err
	}
	_, files, err := receiveReply(c)
	if err != nil {
		return nil, err
	}
	if len(files) != 1 {
		for _, f := range files {
			f.Close()
		}
		return nil, errors.New("the container's monitor sent no directory")
	}
	return files[0], nil
}
