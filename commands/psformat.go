package commands

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dhow-containers/dhow/run"
)

// psField is a column of ps(1): the names it is asked for by, what stands above it, and its text.
type psField struct {
	names string
	title string
	text  func(p run.ProcessInfo, now time.Time, memory int64) string
}

// psFields are those that tell something of a container; the titles are procps'.
var psFields = []psField{
	{"pid", "PID", func(p run.ProcessInfo, _ time.Time, _ int64) string { return strconv.Itoa(p.PID) }},
	{"ppid", "PPID", func(p run.ProcessInfo, _ time.Time, _ int64) string { return strconv.Itoa(p.Parent) }},
	{"user euser uname ruser", "USER", func(p run.ProcessInfo, _ time.Time, _ int64) string { return p.User }},
	{"uid euid ruid", "UID", func(p run.ProcessInfo, _ time.Time, _ int64) string { return strconv.FormatUint(uint64(p.UID), 10) }},
	{"comm ucmd ucomm", "COMMAND", func(p run.ProcessInfo, _ time.Time, _ int64) string { return p.Name }},
	{"args command", "COMMAND", func(p run.ProcessInfo, _ time.Time, _ int64) string { return strings.Join(p.Args, " ") }},
	{"cmd", "CMD", func(p run.ProcessInfo, _ time.Time, _ int64) string { return strings.Join(p.Args, " ") }},
	{"tty tt tname", "TT", func(p run.ProcessInfo, _ time.Time, _ int64) string { return p.Terminal }},
	{"time cputime", "TIME", func(p run.ProcessInfo, _ time.Time, _ int64) string { return clock(p.CPUSeconds) }},
	{"etime", "ELAPSED", func(p run.ProcessInfo, now time.Time, _ int64) string { return elapsed(now.Sub(p.Started)) }},
	{"etimes", "ELAPSED", func(p run.ProcessInfo, now time.Time, _ int64) string {
		return strconv.FormatInt(int64(now.Sub(p.Started)/time.Second), 10)
	}},
	{"stat", "STAT", func(p run.ProcessInfo, _ time.Time, _ int64) string { return stat(p) }},
	{"s state", "S", func(p run.ProcessInfo, _ time.Time, _ int64) string { return p.State }},
	{"pcpu %cpu", "%CPU", func(p run.ProcessInfo, now time.Time, _ int64) string { return fmt.Sprintf("%.1f", cpuShare(p, now)) }},
	{"c", "C", func(p run.ProcessInfo, now time.Time, _ int64) string { return fmt.Sprintf("%.0f", cpuShare(p, now)) }},
	{"pmem %mem", "%MEM", func(p run.ProcessInfo, _ time.Time, memory int64) string {
		return fmt.Sprintf("%.1f", 100*float64(p.ResidentBytes)/float64(max(memory, 1)))
	}},
	{"vsz vsize", "VSZ", func(p run.ProcessInfo, _ time.Time, _ int64) string { return strconv.FormatInt(p.VirtualBytes>>10, 10) }},
	{"rss rssize rsz", "RSS", func(p run.ProcessInfo, _ time.Time, _ int64) string {
		return strconv.FormatInt(p.ResidentBytes>>10, 10)
	}},
	{"start_time stime", "START", func(p run.ProcessInfo, now time.Time, _ int64) string { return startTime(p.Started, now) }},
	{"start", "STARTED", func(p run.ProcessInfo, _ time.Time, _ int64) string { return p.Started.Local().Format("15:04:05") }},
	{"lstart", "STARTED", func(p run.ProcessInfo, _ time.Time, _ int64) string { return p.Started.Local().Format(time.ANSIC) }},
	{"ni nice", "NI", func(p run.ProcessInfo, _ time.Time, _ int64) string { return strconv.Itoa(p.Nice) }},
	{"nlwp thcount", "NLWP", func(p run.ProcessInfo, _ time.Time, _ int64) string { return strconv.Itoa(p.Threads) }},
	{"pgid pgrp", "PGID", func(p run.ProcessInfo, _ time.Time, _ int64) string { return strconv.Itoa(p.Group) }},
	{"sid sess session", "SID", func(p run.ProcessInfo, _ time.Time, _ int64) string { return strconv.Itoa(p.Session) }},
}

func psFieldNamed(name string) (psField, bool) {
	i := slices.IndexFunc(psFields, func(f psField) bool { return slices.Contains(strings.Fields(f.names), name) })
	if i < 0 {
		return psField{}, false
	}
	return psFields[i], true
}

// psColumns reads the options of ps(1) behind `top CONTAINER`: what chooses columns; a container's
// processes are chosen already. Words that are columns themselves are podman's way. Without options
// it is -ef, as docker has it.
func psColumns(args []string) ([]psField, error) {
	const (
		full = "user=UID,pid,ppid,c,stime=STIME,tty=TTY,time,cmd"
		user = "user,pid,%cpu,%mem,vsz,rss,tty=TTY,stat,start_time,time,args"
		long = "s,uid,pid,ppid,c,ni,vsz,tty=TTY,time,comm=CMD"
		bare = "pid,tty=TTY,time,comm=CMD"
	)
	chosen, own := "", []string{}
	if len(args) == 0 {
		chosen = full
	}
	for i := 0; i < len(args); i++ {
		word := args[i]
		dash := strings.HasPrefix(word, "-")
		if strings.HasPrefix(word, "--") || word == "-" || word == "" {
			name, value, given := strings.Cut(strings.TrimPrefix(word, "--"), "=")
			if name != "format" || !given {
				return nil, fmt.Errorf("ps's option %q is not known here: use -ef, aux or -o FIELD,…", word)
			}
			own = append(own, value)
			continue
		}
		if !dash {
			if _, err := psOwn([]string{word}); err == nil {
				own = append(own, word) // podman's
				continue
			}
		}
		letters := strings.TrimPrefix(word, "-")
		for letters != "" {
			c := letters[0]
			letters = letters[1:]
			switch {
			case c == 'o':
				if letters == "" {
					if i++; i == len(args) {
						return nil, fmt.Errorf("ps's option \"o\" wants fields: -o pid,comm")
					}
					letters = args[i]
				}
				own, letters = append(own, letters), ""
			case c == 'u' && (!dash || strings.Trim(word, "-aux") == ""): // -aux is aux, as procps has it
				chosen = user
			case c == 'f' && dash, c == 'F' && dash:
				chosen = full
			case c == 'l':
				chosen = long
			case strings.IndexByte("eAadxwfTH", c) >= 0: // which processes, or how wide
				if chosen == "" {
					chosen = bare
				}
			default:
				return nil, fmt.Errorf("ps's option %q is not known here: use -ef, aux or -o FIELD,…", word)
			}
		}
	}
	if len(own) == 0 {
		own = []string{chosen}
	}
	return psOwn(own)
}

// psOwn reads lists of columns, "pid,comm" or "pid=NUMBER".
func psOwn(lists []string) ([]psField, error) {
	var out []psField
	for _, list := range lists {
		for list != "" {
			var name string
			at := strings.IndexAny(list, ", =")
			if at >= 0 && list[at] == '=' {
				name = list[:at]
				title := list[at+1:]
				f, ok := psFieldNamed(strings.ToLower(name))
				if !ok {
					return nil, fmt.Errorf("unknown user-defined format specifier %q", name)
				}
				list = ""
				// A title goes to the end of the word (ps(1)); between columns of ours it ends at a comma.
				if comma := strings.IndexByte(title, ','); comma >= 0 {
					title, list = title[:comma], title[comma+1:]
				}
				f.title = title
				out = append(out, f)
				continue
			}
			if name, list = list, ""; at >= 0 {
				name, list = name[:at], name[at+1:]
			}
			if name == "" {
				continue
			}
			f, ok := psFieldNamed(strings.ToLower(name))
			if !ok {
				return nil, fmt.Errorf("unknown user-defined format specifier %q", name)
			}
			out = append(out, f)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no columns are asked for")
	}
	return out, nil
}

// stat is ps's STAT: the state and what else is seen of it.
func stat(p run.ProcessInfo) string {
	s := p.State
	switch {
	case p.Nice < 0:
		s += "<"
	case p.Nice > 0:
		s += "N"
	}
	if p.Session == p.PID {
		s += "s"
	}
	if p.Threads > 1 {
		s += "l"
	}
	return s
}

// cpuShare is the part of its life that a process was at work, in percent.
func cpuShare(p run.ProcessInfo, now time.Time) float64 {
	return 100 * float64(p.CPUSeconds) / max(now.Sub(p.Started).Seconds(), 1)
}

func startTime(t, now time.Time) string {
	t, now = t.Local(), now.Local()
	switch {
	case t.YearDay() == now.YearDay() && t.Year() == now.Year():
		return t.Format("15:04")
	case t.Year() == now.Year():
		return t.Format("Jan02")
	}
	return t.Format("2006")
}

// elapsed is "[[DD-]hh:]mm:ss".
func elapsed(d time.Duration) string {
	s := max(int64(d/time.Second), 0)
	text := fmt.Sprintf("%02d:%02d", s/60%60, s%60)
	if s >= 3600 {
		text = fmt.Sprintf("%02d:%s", s/3600%24, text)
	}
	if s >= 86400 {
		text = fmt.Sprintf("%02d-%s", s/86400, text)
	}
	return text
}
