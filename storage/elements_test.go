package storage

import (
	"bytes"
	"encoding/json"
	"testing"
)

func TestArrayElements(t *testing.T) {
	for in, want := range map[string]int{
		"": 0, " \n": 0, "null": 0, "[]": 0, "[ ]": 0, `[{}]`: 1, `[{"a":"]}\"\\"},{"b":[1,{"c":2}]}]`: 2, " [ {} , {} ]": 2,
		"{}": -1, "[": -1, "[1]": -1, "[{]": -1, `[{"a]`: -1, "[{} {}]": -1, "[{},]": -1, "nullx": -1,
	} {
		n := 0
		for _, err := range arrayElements([]byte(in)) {
			if err != nil {
				n = -1
				break
			}
			n++
		}
		if n != want {
			t.Errorf("%q: %d elements, want %d", in, n, want)
		}
	}
}

// FuzzArrayElements: of an array of objects encoding/json takes, exactly its elements are given.
func FuzzArrayElements(f *testing.F) {
	f.Add([]byte(`[{"id":"a","names":["x\"]"]},{"id":"b"}]`))
	f.Add([]byte("null"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var got [][]byte
		failed := false
		for e, err := range arrayElements(data) {
			if err != nil {
				failed = true
				break
			}
			got = append(got, e)
		}
		var want []json.RawMessage
		if json.Unmarshal(data, &want) != nil {
			return
		}
		for _, w := range want {
			if w[0] != '{' {
				return // not ours
			}
		}
		if failed || len(got) != len(want) {
			t.Fatalf("%q: %d elements (failed %v), want %d", data, len(got), failed, len(want))
		}
		for i := range want {
			if !bytes.Equal(got[i], want[i]) {
				t.Fatalf("%q: %q, want %q", data, got[i], want[i])
			}
		}
	})
}
