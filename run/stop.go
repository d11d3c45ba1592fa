package run

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/run/monitor"
	"github.com/dhow-containers/dhow/run/record"
)

// ErrNotRunning is returned for what only a running container can do.
var ErrNotRunning = errors.New("is not running")

// defaultStopTimeout is docker's, in seconds.
const defaultStopTimeout = 10

// answerTime is how long a living monitor takes at most for a small question.
const answerTime = 5 * time.Second

// Stop asks the payload to end and kills it after timeoutSeconds: nil is the container's own time,
// negative waits for ever. signal is "" for the container's own. One that does not run is no error.
func Stop(ctx context.Context, b record.Book, f record.Found, signal string, timeoutSeconds *int) error {
	if !f.State.Active() {
		return nil
	}
	if signal == "" {
		signal = f.StopSignal
	} else if _, err := ParseSignal(signal); err != nil {
		return err
	}
	timeout := defaultStopTimeout
	if f.StopTimeout != nil {
		timeout = *f.StopTimeout
	}
	if timeoutSeconds != nil {
		timeout = *timeoutSeconds
	}
	err := send(f, stopSignalOf(signal), true)
	resume(f) // it gets the signal when it goes on
	switch {
	case errors.Is(err, monitor.ErrGone):
	case err != nil:
		timeout = 0 // the monitor does not answer
	}
	wait, cancel := ctx, context.CancelFunc(func() {})
	if timeout >= 0 {
		wait, cancel = context.WithTimeout(ctx, time.Duration(timeout)*time.Second)
	}
	_, err = b.Wait(wait, f)
	cancel()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil && !errors.Is(err, record.ErrNotFound) {
		if err := End(ctx, b, f); err != nil {
			return err
		}
	}
	b.Tell(f.Container, "stop")
	return nil
}

// Kill sends a signal to the payload, "" for SIGKILL. It does not wait.
func Kill(b record.Book, f record.Found, signal string) error {
	if signal == "" {
		signal = "KILL"
	}
	sig, err := ParseSignal(signal)
	if err != nil {
		return err
	}
	if !f.State.Active() {
		return fmt.Errorf("cannot kill container: %s: container %s %w", f.Name, f.ID, ErrNotRunning)
	}
	err = send(f, sig, false)
	if sig == unix.SIGKILL || sig == stopSignalOf(f.StopSignal) {
		resume(f) // docker's: it is meant to end
	}
	if errors.Is(err, monitor.ErrGone) {
		if again, ferr := b.Find(f.ID); ferr != nil || !again.State.Active() {
			return fmt.Errorf("cannot kill container: %s: container %s %w", f.Name, f.ID, ErrNotRunning)
		}
	}
	if err != nil && sig == unix.SIGKILL {
		return End(context.Background(), b, f)
	}
	return err
}

func send(f record.Found, sig unix.Signal, stop bool) error {
	_, err := monitor.Ask(f.Dir, monitor.Request{Op: "signal", Signal: int(sig), Stop: stop}, answerTime)
	return err
}

// End kills a container and waits until it has ended: through its monitor, and with it when it does not
// answer – the kernel then kills the payload, and its namespaces with it (run/sandbox).
func End(ctx context.Context, b record.Book, f record.Found) error {
	if !f.State.Active() {
		return nil
	}
	if err := send(f, unix.SIGKILL, true); err == nil || errors.Is(err, monitor.ErrGone) {
		wait, cancel := context.WithTimeout(ctx, answerTime)
		_, err := b.Wait(wait, f)
		cancel()
		if err == nil || errors.Is(err, record.ErrNotFound) {
			return nil
		}
	}
	if err := killMonitor(b, f); err != nil {
		return err
	}
	wait, cancel := context.WithTimeout(ctx, 2*answerTime)
	defer cancel()
	if _, err := b.Wait(wait, f); err != nil && !errors.Is(err, record.ErrNotFound) {
		return fmt.Errorf("killing container %q: it has not ended", f.Name)
	}
	return nil
}

// killMonitor kills the monitor, and nobody who was given its number: the descriptor is opened first, and
// what the number names after that has the monitor's start time or is somebody else (record.State.Alive).
// Where that was not noted the lock, which is held, has to do as proof.
func killMonitor(b record.Book, f record.Found) error {
	if f.State.Monitor <= 0 {
		return nil
	}
	fd, err := unix.PidfdOpen(f.State.Monitor, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("killing container %q: %w", f.Name, err)
	}
	defer unix.Close(fd)
	if f.State.MonitorStart != 0 {
		if now, err := record.StartTime(f.State.Monitor); err != nil || now != f.State.MonitorStart {
			return nil
		}
	}
	again, err := b.Find(f.ID)
	if err != nil || !again.State.Active() || again.State.Monitor != f.State.Monitor || again.State.MonitorStart != f.State.MonitorStart {
		return nil
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("killing container %q: %w", f.Name, err)
	}
	return nil
}
