package argv

import "strings"

// Nearest gives the one of names that a person who typed word most likely meant: the smallest
// number of inserted, dropped, changed or swapped letters, at most a third of the word and two; or
// the only name that begins with word; or "".
func Nearest(word string, names []string) string {
	if len(word) > 64 || word == "" {
		return ""
	}
	limit := min(2, max(1, len(word)/3))
	best, prefixed, many := "", "", false
	for _, n := range names {
		if d := distance(word, n); d <= limit {
			if d < limit || best == "" {
				best, limit = n, d
			}
		}
		if len(word) > 2 && strings.HasPrefix(n, word) {
			many = prefixed != ""
			prefixed = n
		}
	}
	if best == "" && !many {
		return prefixed
	}
	return best
}

// distance counts edits between a and b, two swapped neighbours being one (optimal string
// alignment).
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
