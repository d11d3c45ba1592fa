package monitor

import (
	"fmt"
	"strings"
)

// DefaultKeys are docker's detach keys: ctrl-p, ctrl-q.
var DefaultKeys = []byte{16, 17}

// ParseKeys reads --detach-keys: letters and "ctrl-X" separated by commas (moby/term: ToBytes). "" means
// DefaultKeys.
func ParseKeys(text string) ([]byte, error) {
	if text == "" {
		return DefaultKeys, nil
	}
	var keys []byte
	for _, key := range strings.Split(text, ",") {
		if len(key) == 1 {
			keys = append(keys, key[0])
			continue
		}
		c, ok := strings.CutPrefix(strings.ToLower(key), "ctrl-")
		if !ok || len(c) != 1 {
			return nil, fmt.Errorf("invalid detach keys (%s): unknown key %q", text, key)
		}
		switch at := strings.Index("@abcdefghijklmnopqrstuvwxyz[\\]^_", c); {
		case at >= 0:
			keys = append(keys, byte(at))
		default:
			return nil, fmt.Errorf("invalid detach keys (%s): unknown key %q", text, key)
		}
	}
	return keys, nil
}

// keyReader finds the detach keys in what is typed. The beginning of a sequence is held back until it is
// known not to be one.
type keyReader struct {
	keys []byte
	seen int
}

// filter gives what is to be passed on, and whether the keys were complete.
func (k *keyReader) filter(data []byte) (pass []byte, found bool) {
	if len(k.keys) == 0 {
		return data, false
	}
	for _, b := range data {
		if b != k.keys[k.seen] && k.seen > 0 {
			pass = append(pass, k.keys[:k.seen]...)
			k.seen = 0
		}
		if b != k.keys[k.seen] {
			pass = append(pass, b)
			continue
		}
		if k.seen++; k.seen == len(k.keys) {
			k.seen = 0
			return pass, true
		}
	}
	return pass, false
}
