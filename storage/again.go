package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"
	"go.podman.io/image/v5/docker"

	"github.com/dhow-containers/dhow/storage/progress"
	"github.com/dhow-containers/dhow/storage/registry"
)

// patience is how often a request is made again that failed for a reason that may pass. The zero
// value is new. That a registry wants fewer requests (429) is image/v5's matter: it waits as long as
// Retry-After says, four times; see throttle for waits that are too long. With other answers the library
// tells nobody what Retry-After says.
type patience struct{ failed int }

const maxFailures = 5

// wait waits before the next try, a little longer each time and as long as the registry asks for, and
// says so. It gives err back when there is to be none.
func (p *patience) wait(ctx context.Context, what string, err error, say progress.Func) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if p.failed++; p.failed > maxFailures {
		return fmt.Errorf("%w (tried %d times)", err, p.failed)
	}
	delay := time.Second << (p.failed - 1)
	if host, asked := registry.Asked(ctx); asked > longestWait {
		return &tooLong{host: host, wait: asked, ill: true}
	} else if asked > delay {
		delay = (asked + time.Second - 1).Truncate(time.Second)
	}
	say.Emit(progress.Event{Warning: fmt.Sprintf("%s: %v; trying again in %s", what, explainTransfer(ctx, err), delay)})
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(delay):
		return nil
	}
}

// busy tells whether the registry is there but could not answer, or broke off.
func busy(err error) bool {
	var status docker.UnexpectedHTTPStatusError
	if errors.As(err, &status) {
		return status.StatusCode >= 500 && status.StatusCode != 501 && status.StatusCode != 505
	}
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		strings.HasSuffix(err.Error(), ": EOF")
}

// passing is busy, or the network fails on the way: what is worth another try of a transfer that had
// begun.
func passing(err error) bool {
	var timeout net.Error
	return busy(err) || errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EHOSTUNREACH) ||
		errors.As(err, &timeout) && timeout.Timeout()
}

// throttle hears image/v5 wait because the registry said 429. The library logs that and tells nobody
// else.
type throttle struct {
	mu   sync.Mutex
	next int
	say  map[int]progress.Func
	end  map[int]context.CancelCauseFunc
	// asked is what the last Retry-After said.
	asked time.Duration
}

var throttled = throttle{say: map[int]progress.Func{}, end: map[int]context.CancelCauseFunc{}}

// longestWait is the library's. To ask again after it when a registry has said something longer would be
// useless, and to wait that long no help to a person.
const longestWait = time.Minute

// tooLong is a wait that a registry asks for and that is not waited.
type tooLong struct {
	host string
	wait time.Duration
	ill  bool // it did not say that there were too many requests
}

func (t *tooLong) Error() string {
	wait := t.wait.Round(time.Second).String()
	if t.wait >= 48*time.Hour {
		wait = fmt.Sprintf("%d days", t.wait/(24*time.Hour))
	}
	if t.ill {
		return fmt.Sprintf("%s can not answer and wants no request for %s", t.host, wait)
	}
	return fmt.Sprintf("%s has had too many requests and wants none for %s", t.host, wait)
}

// bound gives a context that ends with a tooLong as its cause when a registry asks for that, before stop
// is called.
func (t *throttle) bound(ctx context.Context) (_ context.Context, stop func()) {
	hookThrottle()
	ctx, cancel := context.WithCancelCause(ctx)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.next++
	id := t.next
	t.end[id] = cancel
	return ctx, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.end, id)
		cancel(nil)
	}
}

var hookThrottle = sync.OnceFunc(func() {
	logrus.SetLevel(logrus.DebugLevel) //nolint:forbidigo // nothing is printed: see quiet
	logrus.SetFormatter(noFormat{})
	logrus.AddHook(&throttled)
})

// listen sends what is said about waiting to say until the function it gives is called.
func (t *throttle) listen(say progress.Func) func() {
	hookThrottle()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.next++
	id := t.next
	t.say[id] = say
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.say, id)
	}
}

func (t *throttle) Levels() []logrus.Level { return []logrus.Level{logrus.DebugLevel} } //nolint:forbidigo // as above

func (t *throttle) Fire(e *logrus.Entry) error {
	if said, ok := strings.CutPrefix(e.Message, "Detected 'Retry-After' header "); ok {
		if said, err := strconv.Unquote(said); err == nil {
			t.mu.Lock()
			t.asked = registry.RetryAfter(said, time.Now())
			t.mu.Unlock()
		}
		return nil
	}
	rest, ok := strings.CutPrefix(e.Message, "Too many requests to ")
	if !ok {
		return nil
	}
	host, seconds := throttledWait(rest)
	t.mu.Lock()
	defer t.mu.Unlock()
	asked := t.asked
	if t.asked = 0; asked > longestWait {
		for _, end := range t.end {
			end(&tooLong{host: host, wait: asked})
		}
		return nil
	}
	for _, say := range t.say {
		say.Emit(progress.Event{Warning: fmt.Sprintf("%s wants fewer requests: waiting %s", host, seconds)})
	}
	return nil
}

// throttledWait reads "https://host/path: sleeping for 2.000000 seconds before next attempt".
func throttledWait(text string) (host, wait string) {
	at := strings.LastIndex(text, ": sleeping for ")
	if at < 0 {
		return "the registry", "a moment"
	}
	var seconds float64
	_, _ = fmt.Sscanf(text[at:], ": sleeping for %f seconds", &seconds)
	_, host, _ = strings.Cut(text[:at], "://")
	host, _, _ = strings.Cut(host, "/")
	return host, time.Duration(seconds * float64(time.Second)).Round(time.Second).String()
}

// noFormat spares the work of writing lines nobody reads.
type noFormat struct{}

func (noFormat) Format(*logrus.Entry) ([]byte, error) { return nil, nil }
