// Package completions holds the shell completion scripts, made from the list of verbs by the tests
// of package commands ("go test ./commands -update") and embedded here.
package completions

import _ "embed"

var (
	//go:embed dhow.bash
	bash string
	//go:embed dhow.zsh
	zsh string
	//go:embed dhow.fish
	fish string
)

// Script gives the script of a shell, "" for one that is not known.
func Script(shell string) string {
	switch shell {
	case "bash":
		return bash
	case "zsh":
		return zsh
	case "fish":
		return fish
	}
	return ""
}
