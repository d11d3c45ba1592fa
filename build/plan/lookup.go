package plan

import (
	"context"
	"sync"
)

// lookups asks for every image once.
type lookups struct {
	mu  sync.Mutex
	all map[string]*lookup
}

type lookup struct {
	once sync.Once
	base Base
	err  error
}

func (l *lookups) of(ref string) *lookup {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all == nil {
		l.all = map[string]*lookup{}
	}
	if l.all[ref] == nil {
		l.all[ref] = &lookup{}
	}
	return l.all[ref]
}

func (l *lookup) run(ctx context.Context, m *maker, ref string) error {
	l.once.Do(func() {
		if l.err = ctx.Err(); l.err != nil {
			return
		}
		if l.base, l.err = m.resolve(ctx, ref, m.platform); l.err == nil && l.base.Ref == "" {
			l.base.Ref = ref
		}
	})
	return l.err
}
