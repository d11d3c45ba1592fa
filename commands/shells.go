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
	# bash cuts words at ":" and "=", which names and flags have inside: read the line itself
	local line=${COMP_LINE:0:COMP_POINT} words cur cut whole prev verb='' flags='' values='' first='' rest='' stop='' kind='' word i n=0 operands=0
	local root=()
	cur=${COMP_WORDS[COMP_CWORD]}
	[[ $cur == [:=] ]] && cur=''
	read -ra words <<<"$line"
	[[ $line == *[[:space:]] ]] && words+=('')
	whole=${words[${#words[@]} - 1]} prev=${words[${#words[@]} - 2]}
	COMPREPLY=()
	for ((i = 1; i < ${#words[@]} - 1; i++)); do
		word=${words[i]}
		case $word in
		--root) root=(--root "${words[i + 1]}") && ((i++)) ;;
		--config) ((i++)) ;;
		-*) ;;
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
	fmt.Fprintf(&b, "\t'') flags='--root --config --help --version' values='--root --config' first='%s' ;;\n", "words:"+strings.Join(first, " "))
	for _, g := range slices.Sorted(maps.Keys(second)) {
		if of[g] == nil {
			fmt.Fprintf(&b, "\t%s) flags=--help first='words:%s' ;;\n", g, strings.Join(second[g], " "))
		}
	}
	var choices strings.Builder
	for _, v := range verbs {
		if v.hidden {
			continue
		}
		var flags, patterns []string
		for _, n := range append([]string{v.name}, v.also...) {
			patterns = append(patterns, quoteShell(n))
		}
		for _, f := range describe(v) {
			flags = append(flags, f.spelled()...)
			if k := v.choices(f); f.value != "" && k != "" {
				for _, n := range append([]string{v.name}, v.also...) {
					for _, s := range f.spelled() {
						fmt.Fprintf(&choices, "%s | ", quoteShell(n+" "+s))
					}
				}
				cut := strings.TrimSuffix(choices.String(), " | ")
				choices.Reset()
				fmt.Fprintf(&choices, "%s) kind=%s ;;\n\t\t", cut, quoteShell(string(k)))
			}
		}
		flags = append(flags, "--help")
		stop := ""
		if v.stop {
			stop = " stop=yes"
		}
		one, others := v.operands()
		if one == aVerb {
			one, others = kind("words:"+strings.Join(first, " ")), ""
		}
		fmt.Fprintf(&b, "\t%s) flags='%s' values='%s' first='%s' rest='%s'%s ;;\n", strings.Join(patterns, " | "), strings.Join(flags, " "),
			strings.Join(takesValue(describe(v)), " "), one, others, stop)
	}
	b.WriteString(`	*) return ;;
	esac
	for ((i++; i < ${#words[@]} - 1; i++)); do
		word=${words[i]}
		if [[ $word == -?* && (-z $stop || $operands == 0) ]]; then
			[[ " $values " == *" $word "* ]] && ((i++))
		else
			((++operands))
		fi
	done
	if [[ -n $stop && $operands != 0 ]]; then
		kind=$rest
	elif [[ $whole == --*=* || (" $values " == *" $prev "* && i -ge ${#words[@]}) ]]; then
		if [[ $whole == --*=* ]]; then
			prev=${whole%%=*} whole=${whole#*=}
		fi
		case "$verb $prev" in
		` + strings.TrimSuffix(choices.String(), "\t\t") + `		' --root' | ' --config') kind='file' ;;
		esac
	elif [[ $whole == -* ]]; then
		kind="words:$flags"
	elif [[ $operands == 0 ]]; then
		kind=$first
	else
		kind=$rest
	fi
	cut=${whole%"$cur"}
	case $kind in
	words:*) mapfile -t COMPREPLY < <(compgen -W "${kind#words:}" -- "$whole") ;;
	file) mapfile -t COMPREPLY < <(compgen -f -- "$whole") ;;
	copied) mapfile -t COMPREPLY < <(compgen -f -W "$(dhow "${root[@]}" __complete copied 2>/dev/null)" -- "$whole") ;;
	?*) mapfile -t COMPREPLY < <(compgen -W "$(dhow "${root[@]}" __complete "$kind" 2>/dev/null)" -- "$whole") ;;
	esac
	[[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *[=:] ]] && compopt -o nospace
	[[ $kind == file || $kind == copied ]] && compopt -o filenames
	[[ $COMP_WORDBREAKS == *:* ]] && COMPREPLY=("${COMPREPLY[@]#"$cut"}")
}
complete -F _dhow dhow
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
	names=(${(f)"$(dhow $root __complete $1 2>/dev/null)"})
	if [[ $1 == copied ]]; then
		compadd -S '' -a names
		_files
	else
		compadd -a names
	fi
}
_dhow() {
	local curcontext=$curcontext state line verb
	local -a commands root
	typeset -A opt_args
	_arguments -C '--root[keep everything below this directory]:directory:_files -/' '--config[directory of config.json]:directory:_files -/' '--help' '--version' '1: :->verb' '*:: :->rest' && return
	[[ -n $opt_args[--root] ]] && root=(--root $opt_args[--root])
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
				if f.value != "" {
					spec += ": :" + zshAction(v.choices(f))
				}
				fmt.Fprintf(&b, " \\\n\t\t\t\t%s", quoteShell(spec))
			}
		}
		one, others := v.operands()
		if one == aVerb {
			one, others = kind("words:"+strings.Join(first, " ")), ""
		}
		if one != "" {
			fmt.Fprintf(&b, " \\\n\t\t\t\t%s", quoteShell("1: :"+zshAction(one)))
		}
		switch {
		case v.stop:
			b.WriteString(" \\\n\t\t\t\t'*::command:_normal'")
		case others != "":
			fmt.Fprintf(&b, " \\\n\t\t\t\t%s", quoteShell("*: :"+zshAction(others)))
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

// zshAction gives what _arguments is to do for a kind.
func zshAction(k kind) string {
	if words, ok := k.words(); ok {
		return "(" + words + ")"
	}
	switch k {
	case "":
		return ""
	case aFile:
		return "_files"
	}
	return " _dhow_names " + string(k) // the space: called as it stands
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
function __dhow_names
    set -l root
    set -l words (commandline -opc)
    for i in (seq (count $words))
        if test $words[$i] = --root
            set root --root $words[(math $i + 1)]
        end
    end
    dhow $root __complete $argv[1] 2>/dev/null
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
				line += fishValues(v.choices(f))
			}
			fmt.Fprintf(&b, "%s -d %s\n", line, quoteShell(f.usage))
		}
		one, _ := v.operands()
		if one == aVerb {
			one = kind("words:" + strings.Join(first, " "))
		}
		if words, ok := one.words(); ok {
			fmt.Fprintf(&b, "complete -c dhow %s -a '%s'\n", cond, words)
			continue
		}
		if one == aFile || one == aCopied {
			fmt.Fprintf(&b, "complete -c dhow %s -F\n", cond)
		}
		if one != aFile && one != "" {
			fmt.Fprintf(&b, "complete -c dhow %s -a '(__dhow_names %s)'\n", cond, one)
		}
	}
	return b.String()
}

// fishValues gives the options of complete(1) for a flag whose value is of kind k.
func fishValues(k kind) string {
	if words, ok := k.words(); ok {
		return " -x -a " + quoteShell(words)
	}
	switch k {
	case "":
		return " -x"
	case aFile:
		return " -r -F"
	}
	return " -x -a '(__dhow_names " + string(k) + ")'"
}

func quoteShell(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
