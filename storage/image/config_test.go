package image

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

// full has every field, as BuildKit writes it.
const full = `{"created":"2024-01-02T03:04:05Z","author":"me","architecture":"arm","variant":"v7","os":"linux","os.version":"1","os.features":["f"],` +
	`"config":{"User":"u","ExposedPorts":{"80/tcp":{}},"Env":["A=b"],"Entrypoint":["e"],"Cmd":["c"],"Volumes":{"/v":{}},"WorkingDir":"/w",` +
	`"Labels":{"l":"m"},"StopSignal":"SIGINT","ArgsEscaped":true,"Healthcheck":{"Test":["CMD","t"],"Interval":1000000000,"Timeout":2,"StartPeriod":3,"StartInterval":4,"Retries":5},` +
	`"OnBuild":["RUN x"],"Shell":["/bin/sh","-c"],"StopTimeout":7},` +
	`"rootfs":{"type":"layers","diff_ids":["sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]},` +
	`"history":[{"created":"2024-01-02T03:04:05Z","created_by":"x","author":"a","comment":"c"},{"created_by":"y","empty_layer":true}]}`

func TestEveryField(t *testing.T) {
	c, err := Parse([]byte(full))
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.Marshal()
	if err != nil || string(out) != full {
		t.Errorf("%v\n%s\nwant\n%s", err, out, full)
	}
	if v := reflect.ValueOf(c.Config); true {
		for i := range v.NumField() {
			if v.Field(i).IsZero() {
				t.Errorf("the test does not know the field %s", v.Type().Field(i).Name)
			}
		}
	}
}

func TestClone(t *testing.T) {
	c, _ := Parse([]byte(full))
	d := c.Clone()
	if !reflect.DeepEqual(c, d) {
		t.Fatal("the clone differs")
	}
	d.Config.Env[0], d.Config.Labels["l"], d.Config.Healthcheck.Test[0], d.History[0].CreatedBy = "x", "x", "x", "changed"
	*d.Created, *d.Config.StopTimeout = time.Time{}, 0
	d.RootFS.DiffIDs[0] = "x"
	if out, _ := c.Marshal(); string(out) != full {
		t.Errorf("changing the clone changed\n%s", out)
	}
}

func TestRefused(t *testing.T) {
	for _, in := range []string{"", "[]", "{", `{"rootfs":{"type":"other"}}`, `{"rootfs":{"type":"layers","diff_ids":["sha256:../../x"]}}`,
		`{"rootfs":{"diff_ids":["md5:x"]}}`, `{"config":{"Env":"x"}}`, full + "x"} {
		if c, err := Parse([]byte(in)); err == nil {
			t.Errorf("%.60s: %+v", in, c)
		}
	}
	if c, err := Parse([]byte(`{"config":{}}`)); err != nil {
		t.Errorf("%+v %v", c, err)
	}
	if out, err := (Config{}).Marshal(); err != nil || !strings.Contains(string(out), `"rootfs":{"type":"layers","diff_ids":[]}`) {
		t.Errorf("%s %v", out, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(full))
	f.Add([]byte(`{"config":null,"history":[{}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse(data)
		if err != nil {
			return
		}
		one, err := c.Marshal()
		if err != nil {
			t.Skip() // times json can read but not write
		}
		d, err := Parse(one)
		if err != nil {
			t.Fatal(err)
		}
		if two, err := d.Marshal(); err != nil || !bytes.Equal(one, two) || !json.Valid(two) {
			t.Errorf("%s became %s, %v", one, two, err)
		}
	})
}
