package commands

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The completion scripts are made here from the list of verbs and stand in completions/, from where
// they are embedded; a test compares the two. Verbs and flags are in the script itself, so that
// completing them starts no program; names of images, containers and volumes are asked for.

// spellings gives each way to call a verb, with the verb.
func spellings(verbs []*verb) (names []string, of map[string]*verb) {
	of = map[string]*verb{}
	for _, v := range verbs {
		if v.hidden {
			continue
		}
		for _, n := range append([]string{v.name}, v.also...) {
			names = append(names, n)
			of[n] = v
		}
	}
	slices.Sort(names)
	return names, of
}

// firstWords gives what may follow "dhow", and what may follow the words that are groups.
func firstWords(names []string) (first []string, second map[string][]string) {
	second = map[string][]string{}
	for _, n := range names {
		a, b, ok := strings.Cut(n, " ")
		if !slices.Contains(first, a) {
			first = append(first, a)
		}
		if ok {
			second[a] = append(second[a], b)
		}
	}
	return first, second
}

// spelled gives the words a flag is written as.
func (f flagText) spelled() []string {
	out := []string{"--" + f.name}
	if f.short != "" {
		out = append(out, "-"+f.short)
	}
	return out
}

func takesValue(flags []flagText) []string {
	var out []string
	for _, f := range flags {
		if f.value != "" && !f.optional {
			out = append(out, f.spelled()...)
		}
	}
	return out
}

func bashScript(verbs []*verb) string {
	names, of := spellings(verbs)
	first, second := firstWords(names)
	var b strings.Builder
	b.WriteString(`# bash completion for dhow; made from its list of commands, do not edit
_dhow() {
	local cur prev verb flags values kind i n=0 word
	cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		case $word in
		--root | --config) ((i++)) ;;
		-*) [ $n = 0 ] || break ;;
		*)
			verb="${verb:+$verb }$word"
			((++n))
			case $verb in
`)
	fmt.Fprintf(&b, "\t\t\t%s) ;;\n\t\t\t*) break ;;\n", strings.Join(slices.Sorted(maps.Keys(second)), " | "))
	b.WriteString(`			esac
			;;
		esac
	done
	case $verb in
`)
	fmt.Fprintf(&b, "\t'') flags='--root --config --help --version' values='--root --config' kind='%s' ;;\n", "words:"+strings.Join(first, " "))
	for _, g := range slices.Sorted(maps.Keys(second)) {
		if of[g] == nil {
			fmt.Fprintf(&b, "\t%s) flags=--help kind='words:%s' ;;\n", g, strings.Join(second[g], " "))
		}
	}
	for _, v := range verbs {
		if v.hidden {
			continue
		}
		var flags []string
		for _, f := range describe(v) {
			flags = append(flags, f.spelled()...)
		}
		flags = append(flags, "--help")
		var patterns []string
		for _, n := range append([]string{v.name}, v.also...) {
			patterns = append(patterns, quoteShell(n))
		}
		k := string(v.names)
		switch v.names {
		case aVerb:
			k = "words:" + strings.Join(first, " ")
		case "":
			if v.name == "completion" {
				k = "words:bash zsh fish"
			}
		}
		fmt.Fprintf(&b, "\t%s) flags='%s' values='%s' kind='%s' ;;\n", strings.Join(patterns, " | "), strings.Join(flags, " "),
			strings.Join(takesValue(describe(v)), " "), k)
	}
	b.WriteString(`	*) return ;;
	esac
	if [[ " $values " == *" $prev "* ]]; then
		case $prev in
		--progress) kind='words:auto plain tty rawjson quiet' ;;
		--pull) kind='words:always missing never' ;;
		--network) kind='words:bridge none host' ;;
		*) kind='file' ;;
		esac
	elif [[ $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$flags" -- "$cur")
		return
	fi
	case $kind in
	words:*) mapfile -t COMPREPLY < <(compgen -W "${kind#words:}" -- "$cur") ;;
	file) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
	image | container | volume | object)
		mapfile -t COMPREPLY < <(compgen -W "$(dhow __complete "$kind" 2>/dev/null)" -- "$cur")
		if [[ $cur == *:* && $COMP_WORDBREAKS == *:* ]]; then
			local colon=${cur%"${cur##*:}"}
			COMPREPLY=("${COMPREPLY[@]#"$colon"}")
		fi
		;;
	esac
}
complete -o filenames -F _dhow dhow
`)
	return b.String()
}

func zshScript(verbs []*verb) string {
	names, of := spellings(verbs)
	first, second := firstWords(names)
	var b strings.Builder
	b.WriteString(`#compdef dhow
# zsh completion for dhow; made from its list of commands, do not edit
_dhow_names() {
	local -a names
	names=(${(f)"$(dhow __complete $1 2>/dev/null)"})
	compadd -a names
}
_dhow() {
	local curcontext=$curcontext state line verb
	local -a commands
	_arguments -C '--root[keep everything below this directory]:directory:_files -/' '--config[directory of config.json]:directory:_files -/' '--help' '--version' '1: :->verb' '*:: :->rest' && return
	case $state in
	verb)
		commands=(
`)
	for _, f := range first {
		short := "commands for " + f + "s"
		if v := of[f]; v != nil {
			short = v.short
		}
		fmt.Fprintf(&b, "\t\t\t%s\n", quoteShell(f+":"+short))
	}
	b.WriteString("\t\t)\n\t\t_describe command commands\n\t\t;;\n\trest)\n\t\tverb=$words[1]\n\t\tcase $verb in\n")
	for _, g := range slices.Sorted(maps.Keys(second)) {
		fmt.Fprintf(&b, "\t\t%s)\n\t\t\tif ((CURRENT == 2)); then compadd %s; return; fi\n\t\t\tverb=\"$verb $words[2]\"; shift words; ((CURRENT--)) ;;\n", g, strings.Join(second[g], " "))
	}
	b.WriteString("\t\tesac\n\t\tcase $verb in\n")
	for _, v := range verbs {
		if v.hidden {
			continue
		}
		var patterns []string
		for _, n := range append([]string{v.name}, v.also...) {
			patterns = append(patterns, quoteShell(n))
		}
		fmt.Fprintf(&b, "\t\t%s)\n\t\t\t_arguments -s", strings.Join(patterns, "|"))
		for _, f := range describe(v) {
			usage := strings.NewReplacer("[", "(", "]", ")", ":", " ").Replace(f.usage)
			for _, s := range f.spelled() {
				spec := "*" + s
				switch {
				case f.optional:
					spec += "=-"
				case f.value != "" && strings.HasPrefix(s, "--"):
					spec += "="
				case f.value != "":
					spec += "+"
				}
				spec += "[" + usage + "]"
				switch {
				case f.name == "progress":
					spec += ": :(auto plain tty rawjson quiet)"
				case f.name == "pull":
					spec += ": :(always missing never)"
				case f.name == "network":
					spec += ": :(bridge none host)"
				case f.value != "":
					spec += ": :_files"
				}
				fmt.Fprintf(&b, " \\\n\t\t\t\t%s", quoteShell(spec))
			}
		}
		action := ""
		switch v.names {
		case aFile:
			action = "_files"
		case anImage, aContainer, aVolume, anObject:
			action = " _dhow_names " + string(v.names) // the space: called as it stands
		case aVerb:
			action = "(" + strings.Join(first, " ") + ")"
		default:
			if v.name == "completion" {
				action = "(bash zsh fish)"
			}
		}
		switch {
		case action == "":
		case v.stop:
			fmt.Fprintf(&b, " \\\n\t\t\t\t%s '*::command:_normal'", quoteShell("1: :"+action))
		default:
			fmt.Fprintf(&b, " \\\n\t\t\t\t%s", quoteShell("*: :"+action))
		}
		b.WriteString("\n\t\t\t;;\n")
	}
	b.WriteString(`		esac
		;;
	esac
}
if [ "$funcstack[1]" = _dhow ]; then _dhow "$@"; else compdef _dhow dhow; fi
`)
	return b.String()
}

func fishScript(verbs []*verb) string {
	names, of := spellings(verbs)
	first, second := firstWords(names)
	var b strings.Builder
	b.WriteString(`# fish completion for dhow; made from its list of commands, do not edit
function __dhow_words
    set -l out
    set -l skip 0
    for w in (commandline -opc)[2..-1]
        if test $skip = 1
            set skip 0
        else if contains -- $w --root --config
            set skip 1
        else if not string match -q -- '-*' $w
            set -a out $w
        end
    end
    string join ' ' -- $out
end
function __dhow_in
    set -l words (__dhow_words)
    for v in $argv
        if test "$words" = "$v"; or string match -q -- "$v *" "$words"
            return 0
        end
    end
    return 1
end
function __dhow_at
    set -l words (__dhow_words)
    test "$words" = "$argv[1]"
end
complete -c dhow -f
`)
	for _, f := range first {
		short := "commands for " + f + "s"
		if v := of[f]; v != nil {
			short = v.short
		}
		fmt.Fprintf(&b, "complete -c dhow -n '__dhow_at \"\"' -a %s -d %s\n", f, quoteShell(short))
	}
	for _, g := range slices.Sorted(maps.Keys(second)) {
		for _, s := range second[g] {
			fmt.Fprintf(&b, "complete -c dhow -n '__dhow_at %s' -a %s -d %s\n", g, s, quoteShell(of[g+" "+s].short))
		}
	}
	for _, v := range verbs {
		if v.hidden {
			continue
		}
		var where []string
		for _, n := range append([]string{v.name}, v.also...) {
			where = append(where, `"`+n+`"`)
		}
		cond := "-n '__dhow_in " + strings.Join(where, " ") + "'"
		for _, f := range describe(v) {
			line := "complete -c dhow " + cond + " -l " + f.name
			if f.short != "" {
				line += " -s " + f.short
			}
			if f.value != "" && !f.optional {
				line += " -r -F"
			}
			fmt.Fprintf(&b, "%s -d %s\n", line, quoteShell(f.usage))
		}
		switch v.names {
		case aFile:
			fmt.Fprintf(&b, "complete -c dhow %s -F\n", cond)
		case anImage, aContainer, aVolume, anObject:
			fmt.Fprintf(&b, "complete -c dhow %s -a '(dhow __complete %s 2>/dev/null)'\n", cond, v.names)
		case aVerb:
			fmt.Fprintf(&b, "complete -c dhow %s -a '%s'\n", cond, strings.Join(first, " "))
		default:
			if v.name == "completion" {
				fmt.Fprintf(&b, "complete -c dhow %s -a 'bash zsh fish'\n", cond)
			}
		}
	}
	return b.String()
}

func quoteShell(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
