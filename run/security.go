package run

import (
	"fmt"
	"os"
	"strings"

	"github.com/dhow-containers/dhow/run/spec"
)

// appArmorDir is there where AppArmor is on; a variable for tests.
var appArmorDir = "/sys/kernel/security/apparmor"

// readSecurity reads --security-opt.
func (o Options) readSecurity(w *wishes) error {
	w.Privileged = o.Privileged
	for _, opt := range o.SecurityOpt {
		key, value, ok := strings.Cut(opt, "=")
		if !ok {
			key, value, ok = strings.Cut(opt, ":") // docker's old spelling
		}
		var err error
		switch {
		case key == "no-new-privileges" && (!ok || value == "true"):
			w.NoNewPrivileges = true
		case key == "no-new-privileges" && value == "false":
			w.NoNewPrivileges = false
		case key == "seccomp" && value != "":
			w.Seccomp = value
		case key == "apparmor" && value == "unconfined", key == "label" && value == "disable":
			// Neither confines our containers.
		case key == "apparmor" && value != "":
			why := "AppArmor is not on here"
			if _, err := os.Stat(appArmorDir); err == nil {
				why = "dhow loads no profiles of AppArmor"
			}
			err = fmt.Errorf("%s: leave it out, or say apparmor=unconfined", why)
		case key == "label" && value != "":
			err = fmt.Errorf("dhow sets no labels of SELinux: leave it out, or say label=disable")
		case key == "mask" && value != "":
			var more []string
			more, err = spec.ParseMasks(value, false)
			w.Mask = append(w.Mask, more...)
		case key == "unmask" && value != "":
			var more []string
			more, err = spec.ParseMasks(value, true)
			w.Unmask = append(w.Unmask, more...)
		case key == "systempaths" && value == "unconfined":
			w.Unmask = append(w.Unmask, "ALL")
		case key == "proc-opts" && value != "":
			w.ProcOptions, err = spec.ParseProcOptions(value)
		default:
			return fmt.Errorf("invalid --security-opt: %q", opt)
		}
		if err != nil {
			return fmt.Errorf("invalid --security-opt %q: %w", opt, err)
		}
	}
	return nil
}
