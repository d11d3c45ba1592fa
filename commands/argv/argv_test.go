package argv

import (
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

var table = []Flag{
	{Name: "env", Short: "e"}, {Name: "publish", Short: "p"}, {Name: "name"},
	{Name: "interactive", Short: "i", Kind: Bool}, {Name: "tty", Short: "t", Kind: Bool}, {Name: "rm", Kind: Bool},
	{Name: "force", Short: "f", Kind: Bool}, {Name: "pull", Kind: Optional}, {Name: "network", Also: []string{"net"}},
	{Name: "ssh", Kind: Later}, {Name: "memory", Short: "m", Kind: Later},
}

func TestRead(t *testing.T) {
	for _, c := range []struct {
		line string
		stop bool
		want string
	}{
		{"-p8080:80 -it img sh -c x", true, "--publish=8080:80 --interactive=true --tty=true -- img sh -c x"},
		{"-p=80 img", true, "--publish=80 -- img"},
		{"-p 80 img", true, "--publish=80 -- img"},
		{"-ite A=1,2 img", true, "--interactive=true --tty=true --env=A=1,2 -- img"},
		{"-itp80:80 img", true, "--interactive=true --tty=true --publish=80:80 -- img"},
		{"-t=false img", true, "--tty=false -- img"},
		{"--rm=0 img", true, "--rm=false -- img"},
		{"a -f b --name n", false, "--force=true --name=n -- a b"},
		{"a -- -f", false, "-- a -f"},
		{"-- a -f", true, "-- a -f"},
		{"img -- -f", true, "-- img -- -f"},
		{"- --rm", false, "--rm=true -- -"},
		{"--net=none img", true, "--network=none -- img"},
		{"--pull img", true, "--pull= -- img"},
		{"--pull=never img", true, "--pull=never -- img"},
		{"--name= img", true, "--name= -- img"},
		{"--name --rm img", true, "--name=--rm -- img"},
		{"-e --rm img", true, "--env=--rm -- img"},
	} {
		got, err := Read(strings.Fields(c.line), table, c.stop)
		if err != nil {
			t.Errorf("%s: %v", c.line, err)
		} else if g := strings.Join(got.Args(), " "); g != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.line, g, c.want)
		}
	}
}

func TestReadErrors(t *testing.T) {
	for _, c := range []struct{ line, text, near string }{
		{"--foo", "unknown flag: --foo", ""},
		{"--forse a", "unknown flag: --forse", "--force"},
		{"--netwrok=x", "unknown flag: --netwrok", "--network"},
		{"-x", "unknown shorthand flag: 'x' in -x", ""},
		{"-ix", "unknown shorthand flag: 'x' in -ix", ""},
		{"-name", "unknown shorthand flag: 'n' in -name", "--name"},
		{"--name", "flag needs an argument: --name", ""},
		{"-tp", "flag needs an argument: 'p' in -tp", ""},
		{"--ssh default", "--ssh is not supported yet", ""},
		{"-tm 1g", "-m is not supported yet", ""},
		{"--rm=maybe", `invalid argument "maybe" for "--rm" flag: neither true nor false`, ""},
		{"--=x", "bad flag syntax: --=x", ""},
		{"---rm", "bad flag syntax: ---rm", ""},
	} {
		_, err := Read(strings.Fields(c.line), table, false)
		e, ok := err.(*Error)
		if !ok || e.Text != c.text || e.Near != c.near {
			t.Errorf("%s: got %#v, want %q near %q", c.line, err, c.text, c.near)
		}
	}
}

func TestNearest(t *testing.T) {
	names := []string{"build", "images", "image", "pull", "push", "inspect", "history", "rm", "rmi"}
	for word, want := range map[string]string{
		"biuld": "build", "imges": "images", "insp": "inspect", "pul": "pull", "xyzzy": "", "r": "rm", "": "",
	} {
		if got := Nearest(word, names); got != want {
			t.Errorf("%q: got %q, want %q", word, got, want)
		}
	}
}

// FuzzRead: what was read, written in the canonical form, reads as the same again; no operand is
// invented; the error is always ours and one line.
func FuzzRead(f *testing.F) {
	for _, s := range []string{"-it\x00-p80:80\x00img\x00-x", "--rm=false\x00--\x00--", "-e\x00A=1,2", "--pull\x00-t=0\x00-", "-\xff"} {
		f.Add(s, true)
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, s string, stop bool) {
		words := strings.Split(s, "\x00")
		l, err := Read(words, table, stop)
		if err != nil {
			if _, ok := err.(*Error); !ok {
				t.Fatalf("foreign error %T", err)
			}
			return
		}
		again, err := Read(l.Args(), table, stop)
		if err != nil {
			t.Fatalf("%q: canonical form is refused: %v", l.Args(), err)
		}
		if !reflect.DeepEqual(again.Settings, l.Settings) || strings.Join(again.Operands, "\x00") != strings.Join(l.Operands, "\x00") {
			t.Fatalf("%q reads as %+v, then as %+v", words, l, again)
		}
		for _, o := range l.Operands {
			if !strings.Contains(s, o) {
				t.Fatalf("operand %q is not in %q", o, s)
			}
		}
		if utf8.ValidString(s) && len(l.Operands) > len(words) {
			t.Fatal("more operands than words")
		}
	})
}
