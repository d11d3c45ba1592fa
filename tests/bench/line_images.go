package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// pushed puts an image of these tars into the registry, once.
func (b *bench) pushed(name string, tars []string) error {
	return b.marked("pushed-"+name, func() error {
		file := b.at(name + ".docker")
		if err := fileArchive(file, "localhost/"+name+":latest", tars); err != nil {
			return err
		}
		defer os.Remove(file)
		if _, err := b.must(b.dhow, "load", "-q", "-i", file); err != nil {
			return err
		}
		if err := b.pushAs("localhost/"+name+":latest", name); err != nil {
			return err
		}
		_, err := b.must(b.dhow, "rmi", "-f", "localhost/"+name+":latest")
		return err
	})
}

// pushAs puts a local image into the registry under name.
func (b *bench) pushAs(local, name string) error {
	remote := b.registry + "/" + name + ":latest"
	for _, args := range [][]string{{"tag", local, remote}, {"push", "-q", remote}, {"rmi", remote}} {
		if _, err := b.must(b.dhow, args...); err != nil {
			return err
		}
	}
	return nil
}

// fresh gives a peer with a store of its own and what empties it: an image that is removed may share
// its layers with another one.
func (b *bench) fresh(p *peer) (*peer, func() error) {
	q := *p
	root := b.at(p.name + "-fresh")
	q.flags = append([]string{}, p.flags...)
	for i, f := range q.flags {
		if f == "--root" && i+1 < len(q.flags) {
			q.flags[i+1] = root
		}
	}
	return &q, func() error {
		if err := os.RemoveAll(root); err != nil {
			return err
		}
		return b.settle()
	}
}

// blobs asks the registry for the layers of an image.
func (b *bench) blobs(name string) ([]string, error) {
	req, err := http.NewRequest(http.MethodGet, "http://"+b.registry+"/v2/"+name+"/manifests/latest", nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var m struct{ Layers []struct{ Digest string } }
	if err := json.NewDecoder(resp.Body).Decode(&m); err != nil {
		return nil, err
	}
	var urls []string
	for _, l := range m.Layers {
		urls = append(urls, "http://"+b.registry+"/v2/"+name+"/blobs/"+l.Digest)
	}
	if len(urls) == 0 {
		return nil, fmt.Errorf("the registry names no layers of %s", name)
	}
	return urls, nil
}

// pull measures pulls of an image against the shortest pipeline that ends with the same files.
func (b *bench) pull(name string, tars []string) (*Result, error) {
	if err := b.pushed(name, tars); err != nil {
		return nil, err
	}
	urls, err := b.blobs(name)
	if err != nil {
		return nil, err
	}
	target := b.at("untarred")
	empty := func() error {
		if err := os.RemoveAll(target); err != nil {
			return err
		}
		if err := os.Mkdir(target, 0o755); err != nil {
			return err
		}
		return b.settle()
	}
	var script strings.Builder
	script.WriteString("set -e\n")
	for _, u := range urls {
		fmt.Fprintf(&script, "curl -sS %s | gzip -d | tar -x -C %s\n", u, target)
	}
	image := b.registry + "/" + name + ":latest"
	dhow, dhowGone := b.fresh(b.dhow)
	podman, podmanGone := b.fresh(b.podman)
	list := []contender{
		{name: "curl | gzip -d | tar x", args: []string{"sh", "-c", script.String()}, before: empty},
		{name: "the pipeline, then sync", args: []string{"sh", "-c", script.String() + "sync -f " + target}, before: empty},
		{name: "dhow", peer: dhow, args: []string{"pull", "-q", image}, before: dhowGone},
		{name: "podman", peer: podman, args: []string{"pull", "-q", "--tls-verify=false", image}, before: podmanGone, rounds: 3},
	}
	if b.curl.path == "" {
		list = list[2:]
	}
	r := &Result{}
	if err := b.contend(r, 8, list...); err != nil {
		return nil, err
	}
	if err := errors.Join(dhowGone(), podmanGone(), empty()); err != nil {
		return nil, err
	}
	r.atMost("dhow", "curl | gzip -d | tar x", 1.1)
	r.info("dhow", "podman")
	return r, nil
}

func linePull(b *bench) (*Result, error) {
	if err := b.unload(); err != nil {
		return nil, err
	}
	file, err := b.debian()
	if err != nil {
		return nil, err
	}
	return b.pull("debian", []string{file})
}

// twenty gives the Debian layer cut into twenty.
func (b *bench) twenty() ([]string, error) {
	file, err := b.debian()
	if err != nil {
		return nil, err
	}
	dir, err := b.ready("twenty", func(path string) error {
		_, err := split(file, 20, path)
		return err
	})
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var tars []string
	for _, e := range entries {
		tars = append(tars, dir+"/"+e.Name())
	}
	return tars, nil
}

func linePull20(b *bench) (*Result, error) {
	if err := b.unload(); err != nil {
		return nil, err
	}
	tars, err := b.twenty()
	if err != nil {
		return nil, err
	}
	return b.pull("twenty", tars)
}

// linePresent pulls what is there already, against one request for its manifest.
func linePresent(b *bench) (*Result, error) {
	tars, err := b.twenty()
	if err != nil {
		return nil, err
	}
	if err := b.pushed("twenty", tars); err != nil {
		return nil, err
	}
	image := b.registry + "/twenty:latest"
	for _, p := range []*peer{b.dhow, b.podman} {
		if p.path == "" {
			continue
		}
		args := []string{"pull", "-q", image}
		if p == b.podman {
			args = append(args, "--tls-verify=false")
		}
		if _, err := b.must(p, args...); err != nil {
			return nil, err
		}
		defer func() { _, _ = b.must(p, "rmi", "-f", image) }()
	}
	r := &Result{}
	if err := b.contend(r, 20,
		contender{name: "dhow", peer: b.dhow, args: []string{"pull", "-q", image}},
		contender{name: "podman", peer: b.podman, args: []string{"pull", "-q", "--tls-verify=false", image}, rounds: 5},
	); err != nil {
		return nil, err
	}
	answer := Series{Name: "the registry's answer"}
	for range 20 {
		begin := time.Now()
		req, err := http.NewRequest(http.MethodGet, "http://"+b.registry+"/v2/twenty/manifests/latest", nil)
		if err != nil {
			return nil, err
		}
		req.Header.Set("Accept", "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json")
		resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
		if err != nil {
			return nil, err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if err != nil {
			return nil, err
		}
		answer.Samples = append(answer.Samples, float64(time.Since(begin).Nanoseconds())/1e6)
	}
	r.Series = append(r.Series, answer)
	r.moreBy("dhow", "the registry's answer", 15)
	r.info("dhow", "podman")
	return r, nil
}

// lineLoad loads a docker-archive, against unpacking its layers.
func lineLoad(b *bench) (*Result, error) {
	if err := b.unload(); err != nil {
		return nil, err
	}
	file, err := b.debian()
	if err != nil {
		return nil, err
	}
	archive, err := b.ready("debian.docker", func(path string) error {
		return fileArchive(path, "localhost/loaded:latest", []string{file})
	})
	if err != nil {
		return nil, err
	}
	target := b.at("untarred")
	empty := func() error {
		if err := os.RemoveAll(target); err != nil {
			return err
		}
		if err := os.Mkdir(target, 0o755); err != nil {
			return err
		}
		return b.settle()
	}
	dhow, dhowGone := b.fresh(b.dhow)
	podman, podmanGone := b.fresh(b.podman)
	r := &Result{}
	if err := b.contend(r, 8,
		contender{name: "tar x", args: []string{"tar", "-x", "-C", target, "-f", file}, before: empty},
		contender{name: "tar x, then sync", args: []string{"sh", "-c", "tar -x -C " + target + " -f " + file + " && sync -f " + target}, before: empty},
		contender{name: "dhow", peer: dhow, args: []string{"load", "-q", "-i", archive}, before: dhowGone},
		contender{name: "podman", peer: podman, args: []string{"load", "-q", "-i", archive}, before: podmanGone, rounds: 3},
	); err != nil {
		return nil, err
	}
	if err := errors.Join(dhowGone(), podmanGone(), empty()); err != nil {
		return nil, err
	}
	r.atMost("dhow", "tar x", 1.5)
	r.info("dhow", "podman")
	return r, nil
}
