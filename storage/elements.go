package storage

import (
	"errors"
	"iter"
)

var errNoArray = errors.New("not a JSON array of objects")

// arrayElements yields the raw elements of a JSON array without decoding them. It trusts the
// elements to be well-formed JSON (each is decoded by whoever wants it) and only follows strings and
// nesting; what it can not follow ends with errNoArray.
func arrayElements(data []byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		i := skipSpace(data, 0)
		if i == len(data) {
			return // an empty file: no record yet
		}
		if rest := data[i:]; len(rest) >= 4 && string(rest[:4]) == "null" && skipSpace(data, i+4) == len(data) {
			return
		}
		if data[i] != '[' {
			yield(nil, errNoArray)
			return
		}
		i = skipSpace(data, i+1)
		if i < len(data) && data[i] == ']' {
			return
		}
		for {
			end := elementEnd(data, i)
			if end < 0 {
				yield(nil, errNoArray)
				return
			}
			if !yield(data[i:end], nil) {
				return
			}
			i = skipSpace(data, end)
			switch {
			case i < len(data) && data[i] == ',':
				i = skipSpace(data, i+1)
			case i < len(data) && data[i] == ']':
				return
			default:
				yield(nil, errNoArray)
				return
			}
		}
	}
}

// elementEnd gives the index after the object starting at i, -1 when there is none.
func elementEnd(data []byte, i int) int {
	if i >= len(data) || data[i] != '{' {
		return -1
	}
	depth := 0
	for ; i < len(data); i++ {
		switch data[i] {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
			if depth == 0 {
				return i + 1
			}
		case '"':
			for i++; i < len(data) && data[i] != '"'; i++ {
				if data[i] == '\\' {
					i++
				}
			}
		}
	}
	return -1
}

func skipSpace(data []byte, i int) int {
	for i < len(data) && (data[i] == ' ' || data[i] == '\n' || data[i] == '\t' || data[i] == '\r') {
		i++
	}
	return i
}
