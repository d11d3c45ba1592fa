package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"github.com/dhow-containers/dhow/run/seccomp"
)

// bundle prepares what crun and runc run: the base's filesystem in a directory, and dhow's own default
// seccomp profile in the configuration, so that all load a filter with the same rules.
func (b *bench) bundle(name string, args ...string) (string, error) {
	return b.ready("bundle-"+name, func(path string) error {
		if err := os.MkdirAll(path+"/rootfs", 0o755); err != nil {
			return err
		}
		if out, err := exec.Command("tar", "-C", path+"/rootfs", "-xf", b.at("base.tar")).CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		maker := b.runc
		if maker.path == "" {
			maker = b.crun
		}
		if maker.path == "" {
			return errors.New("neither runc nor crun is here")
		}
		if s, err := b.do(maker, path, nil, false, "spec"); err != nil {
			return fmt.Errorf("%w %s", err, s.Error)
		}
		raw, err := os.ReadFile(path + "/config.json")
		if err != nil {
			return err
		}
		var spec map[string]any
		if err := json.Unmarshal(raw, &spec); err != nil {
			return err
		}
		process := spec["process"].(map[string]any)
		process["terminal"], process["args"] = false, args
		process["noNewPrivileges"] = false
		delete(process, "rlimits")
		spec["root"].(map[string]any)["readonly"] = false
		linux := spec["linux"].(map[string]any)
		delete(linux, "resources")
		delete(linux, "cgroupsPath")
		caps := []string{"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID", "CAP_SETUID", "CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL", "CAP_AUDIT_WRITE"}
		process["capabilities"] = map[string]any{"bounding": caps, "effective": caps, "permitted": caps}
		linux["seccomp"] = seccomp.DefaultProfile(caps)
		if raw, err = json.Marshal(spec); err != nil {
			return err
		}
		return os.WriteFile(path+"/config.json", raw, 0o644)
	})
}
