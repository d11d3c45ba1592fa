// Package registry says how registries are reached: which configuration, policy, credentials and
// certificates apply to the person who called, and what a reference without a host means.
//
// The files are those of the containers tools and of docker: registries.conf(5) with its drop-ins,
// policy.json(5), auth.json(5), docker's config.json, certs.d(5), registries.d(5). They are always
// named explicitly, because inside a user namespace the caller's uid is 0 and the library would
// look at root's places. Without any policy.json every image is accepted, as docker does.
package registry

// Settings are the places configuration is read from; an empty field means there is none.
type Settings struct {
	Home         string // the caller's home
	ConfigDir    string // $XDG_CONFIG_HOME/containers
	RuntimeDir   string // $XDG_RUNTIME_DIR, "" when there is none
	Registries   string // registries.conf, when named explicitly
	AuthFile     string // auth.json, when named explicitly
	DockerConfig string // directory of docker's config.json
	Policy       string // policy.json, when named explicitly
	CacheDir     string // where blob locations are remembered
	Root         bool   // plain root: system places apply as they do for the containers tools
	// UserAgent is sent to registries.
	UserAgent string
}
