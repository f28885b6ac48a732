package definition

import (
	"strings"
	"unicode/utf8"
)

// Nearest is the candidate that the word probably means, or "". It allows one edit in three letters.
func Nearest(word string, candidates []string) string {
	const longest = 64
	if utf8.RuneCountInString(word) > longest {
		return ""
	}
	plain := plainWord(word)
	best, bestDistance := "", max(1, min(3, utf8.RuneCountInString(plain)/3))+1
	for _, candidate := range candidates {
		if distance := editDistance(plain, plainWord(candidate)); distance < bestDistance {
			best, bestDistance = candidate, distance
		}
	}
	return best
}

// plainWord drops what differs between maxRetry, max-retry and max_retry.
func plainWord(word string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "", " ", "").Replace(word))
}

// editDistance counts insertions, deletions, substitutions and swaps of neighbours.
func editDistance(a, b string) int {
	from, to := []rune(a), []rune(b)
	before := make([]int, len(to)+1)
	above := make([]int, len(to)+1)
	for j := range above {
		above[j] = j
	}
	for i := range from {
		row := make([]int, len(to)+1)
		row[0] = i + 1
		for j := range to {
			substitution := above[j]
			if from[i] != to[j] {
				substitution++
			}
			row[j+1] = min(substitution, above[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && from[i] == to[j-1] && from[i-1] == to[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, above = above, row
	}
	return above[len(to)]
}
