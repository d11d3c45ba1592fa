package commands

import (
	"slices"
	"strings"
)

// More kinds of what a word names, for completion alone.
const (
	aRunning kind = "running" // a container that runs
	aStopped kind = "stopped" // a container that does not
	aCopied  kind = "copied"  // a file, or a place in a container: "web:"
)

// operandKinds tell more of the operands of some verbs than what they name: the first one's kind and
// that of the others.
var operandKinds = map[string][2]kind{
	"start": {aStopped, aStopped}, "stop": {aRunning, aRunning}, "kill": {aRunning, aRunning}, "pause": {aRunning, aRunning},
	"wait": {aRunning, aRunning}, "attach": {aRunning}, "top": {aRunning}, "port": {aRunning}, "exec": {aRunning, aFile},
	"run": {anImage, aFile}, "create": {anImage, aFile}, "cp": {aCopied, aCopied}, "commit": {aContainer, anImage},
	"tag": {anImage, anImage}, "rename": {aContainer}, "import": {aFile}, "completion": {"words:bash zsh fish"},
}

// operands gives what the first and the further operands of v name, empty for nothing that is known.
func (v *verb) operands() (first, rest kind) {
	if k, ok := operandKinds[v.name]; ok {
		return k[0], k[1]
	}
	if v.max == 0 {
		return "", ""
	}
	if v.max == 1 {
		return v.names, ""
	}
	return v.names, v.names
}

const (
	jsonFormat = "words:json"
	signals    = "words:HUP INT QUIT KILL USR1 USR2 TERM CONT STOP WINCH"
	caps       = "words:ALL AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_ADMIN NET_BIND_SERVICE NET_RAW SETFCAP SETGID SETPCAP SETUID SYS_ADMIN SYS_CHROOT SYS_NICE SYS_PTRACE SYS_TIME"
	pruned     = "words:until= label= label!="
)

// flagChoices are the values of flags that are a closed set, or begin one: by "verb flag", or by the
// flag alone where it means the same everywhere. A kind is asked for.
var flagChoices = map[string]kind{
	"progress": "words:auto plain tty rawjson quiet", "pull": "words:always missing never", "network": "words:bridge none host",
	"log-driver": "words:json-file none", "log-opt": "words:max-size= max-file=", "signal": signals, "stop-signal": signals,
	"cap-add": caps, "cap-drop": caps, "restart": "words:no on-failure on-failure: always unless-stopped",
	"platform":     "words:linux/amd64 linux/arm64 linux/arm/v7 linux/386 linux/ppc64le linux/riscv64 linux/s390x",
	"security-opt": "words:no-new-privileges seccomp=unconfined seccomp=", "userns": "words:host keep-id", "ipc": "words:private host none",
	"ulimit": "words:core= cpu= data= fsize= memlock= nofile= nproc= stack=", "volumes-from": aContainer,
	"compression-format": "words:gzip zstd", "mount": "words:type=bind,src= type=volume,src= type=tmpfs,dst=", "format": "words:json table",
	"timeout": "", "tail": "words:all 10 100",
	"save format": "words:docker-archive oci-archive oci-dir docker-dir", "inspect type": "words:container image volume",
	"inspect format": jsonFormat, "image inspect format": jsonFormat, "container inspect format": jsonFormat, "volume inspect format": jsonFormat,
	"info format": jsonFormat, "version format": jsonFormat, "doctor format": jsonFormat,
	"ps filter":              "words:ancestor= before= exited= expose= health= id= label= name= network= publish= restart-policy= should-start-on-boot=true since= status=created status=running status=restarting status=exited volume=",
	"images filter":          "words:before= dangling=true dangling=false label= reference= since= until=",
	"volume ls filter":       "words:dangling=true dangling=false driver=local label= name=",
	"container prune filter": pruned, "image prune filter": pruned, "system prune filter": pruned, "volume prune filter": "words:all=true label= label!=",
	"builder prune filter": "words:until= id= type=regular type=exec.cachemount description= inuse= shared=",
	"builder du filter":    "words:until= id= type=regular type=exec.cachemount description= inuse= shared=",
}

// choices gives what may be the value of a flag of v: words, a kind, a file, or "" for what nobody but
// the person knows.
func (v *verb) choices(f flagText) kind {
	if k, ok := flagChoices[v.name+" "+f.name]; ok {
		return k
	}
	if k, ok := flagChoices[f.name]; ok {
		return k
	}
	named := strings.ToLower(f.value + " " + f.name)
	if slices.ContainsFunc([]string{"file", "dir", "path", "source", "volume", "output", "input", "secret", "context"}, func(s string) bool { return strings.Contains(named, s) }) {
		return aFile
	}
	return ""
}

// words gives the words of a closed set.
func (k kind) words() (string, bool) { return strings.CutPrefix(string(k), "words:") }
