package commands

import (
	"strings"
	"testing"
	"time"
)

func TestPSColumns(t *testing.T) {
	const full = "UID PID PPID C STIME TTY TIME CMD"
	for args, want := range map[string]string{
		"":                         full,
		"-ef":                      full,
		"-e -f":                    full,
		"-f":                       full,
		"aux":                      "USER PID %CPU %MEM VSZ RSS TTY STAT START TIME COMMAND",
		"-aux":                     "USER PID %CPU %MEM VSZ RSS TTY STAT START TIME COMMAND",
		"axu":                      "USER PID %CPU %MEM VSZ RSS TTY STAT START TIME COMMAND",
		"-o pid,comm":              "PID COMMAND",
		"-opid,comm":               "PID COMMAND",
		"-eo pid,args":             "PID COMMAND",
		"o pid,user":               "PID USER",
		"axo pid,user -o cmd":      "PID USER CMD",
		"-o pid=NUMBER -o comm":    "NUMBER COMMAND",
		"--format=pid,rss":         "PID RSS",
		"pid user comm":            "PID USER COMMAND",
		"-e":                       "PID TTY TIME CMD",
		"-el":                      "S UID PID PPID C NI VSZ TTY TIME CMD",
		"-o":                       "error: ps's option \"o\" wants fields: -o pid,comm",
		"-o pid,nothing":           "error: unknown user-defined format specifier \"nothing\"",
		"-Z":                       "error: ps's option \"-Z\" is not known here: use -ef, aux or -o FIELD,…",
		"--forest":                 "error: ps's option \"--forest\" is not known here: use -ef, aux or -o FIELD,…",
		"-u root":                  "error: ps's option \"root\" is not known here: use -ef, aux or -o FIELD,…",
		"-o ,":                     "error: no columns are asked for",
		"-o pid=a,comm=b":          "a b",
		"-eo pid,ppid,stat,etime":  "PID PPID STAT ELAPSED",
		"--format pid":             "error: ps's option \"--format\" is not known here: use -ef, aux or -o FIELD,…",
		"-o PID,%CPU,%mem,nlwp,ni": "PID %CPU %MEM NLWP NI",
	} {
		fields, err := psColumns(strings.Fields(args))
		got := ""
		for _, f := range fields {
			got += " " + f.title
		}
		if got = strings.TrimPrefix(got, " "); err != nil {
			got = "error: " + err.Error()
		}
		if got != want {
			t.Errorf("%q: %s\nwant %s", args, got, want)
		}
	}
}

func TestElapsed(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "00:00", 61 * time.Second: "01:01", time.Hour: "01:00:00", 50 * time.Hour: "02-02:00:00",
	} {
		if got := elapsed(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}
