package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"
)

func today() string { return time.Now().UTC().Format("2006-01-02 15:04") }

// tinyArchive writes a docker-archive of one image with that many layers of one small file each. Images
// of different seeds share no layer.
func tinyArchive(path, tag, seed string, layers int) error {
	var bodies [][]byte
	for i := range layers {
		var buf bytes.Buffer
		w := tar.NewWriter(&buf)
		if err := entry(w, fmt.Sprintf("layer-%d", i), 0o644, []byte(seed)); err != nil {
			return err
		}
		if err := w.Close(); err != nil {
			return err
		}
		bodies = append(bodies, buf.Bytes())
	}
	return dockerArchive(path, tag, len(bodies), func(i int) (io.ReadCloser, int64, error) {
		return io.NopCloser(bytes.NewReader(bodies[i])), int64(len(bodies[i])), nil
	})
}

// fileArchive is dockerArchive of tars in files.
func fileArchive(path, tag string, tars []string) error {
	return dockerArchive(path, tag, len(tars), func(i int) (io.ReadCloser, int64, error) {
		f, err := os.Open(tars[i])
		if err != nil {
			return nil, 0, err
		}
		info, err := f.Stat()
		return f, info.Size(), err
	})
}

// dockerArchive writes what `docker save` writes, with the layers open gives.
func dockerArchive(path, tag string, layers int, open func(i int) (io.ReadCloser, int64, error)) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	w := tar.NewWriter(f)
	var diffs, names []string
	for i := range layers {
		r, size, err := open(i)
		if err != nil {
			return err
		}
		name := fmt.Sprintf("%04d/layer.tar", i)
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: size, ModTime: epoch}); err != nil {
			return err
		}
		sum := sha256.New()
		if _, err := io.Copy(io.MultiWriter(w, sum), r); err != nil {
			return err
		}
		if err := r.Close(); err != nil {
			return err
		}
		diffs, names = append(diffs, fmt.Sprintf("sha256:%x", sum.Sum(nil))), append(names, name)
	}
	config, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH, "os": "linux", "created": epoch.UTC(), "config": map[string]any{"Cmd": []string{"/bin/sh"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": diffs},
	})
	if err != nil {
		return err
	}
	if err := entry(w, "config.json", 0o644, config); err != nil {
		return err
	}
	manifest, err := json.Marshal([]map[string]any{{"Config": "config.json", "RepoTags": []string{tag}, "Layers": names}})
	if err != nil {
		return err
	}
	if err := entry(w, "manifest.json", 0o644, manifest); err != nil {
		return err
	}
	return w.Close()
}
