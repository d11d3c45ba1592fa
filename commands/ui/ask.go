package ui

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Ask prints a question and reads one line from the terminal on stdin; a secret is not shown. The
// terminal is as before when ctx ends too.
func Ask(ctx context.Context, out *os.File, question string, secret bool) (string, error) {
	fmt.Fprint(out, question)
	if secret {
		fd := int(os.Stdin.Fd())
		old, err := unix.IoctlGetTermios(fd, unix.TCGETS)
		if err != nil {
			return "", fmt.Errorf("asking on the terminal: %w", err)
		}
		dark := *old
		dark.Lflag &^= unix.ECHO
		dark.Lflag |= unix.ICANON | unix.ISIG
		dark.Iflag |= unix.ICRNL
		if err := unix.IoctlSetTermios(fd, unix.TCSETS, &dark); err != nil {
			return "", fmt.Errorf("asking on the terminal: %w", err)
		}
		defer func() {
			_ = unix.IoctlSetTermios(fd, unix.TCSETS, old)
			fmt.Fprintln(out)
		}()
	}
	type answer struct {
		text string
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		text, err := bufio.NewReaderSize(io.LimitReader(os.Stdin, 64<<10), 16).ReadString('\n')
		got <- answer{strings.TrimRight(text, "\r\n"), err}
	}()
	select {
	case a := <-got:
		if a.err == io.EOF {
			a.err = nil
		}
		return a.text, a.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}
