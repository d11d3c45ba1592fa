package commands

import "strings"

// proxyVariables are what "proxies" of docker's config.json sets, by its keys (docker CLI reference,
// "Automatic proxy configuration for containers").
var proxyVariables = []struct{ key, name string }{
	{"httpProxy", "HTTP_PROXY"}, {"httpsProxy", "HTTPS_PROXY"}, {"ftpProxy", "FTP_PROXY"}, {"noProxy", "NO_PROXY"}, {"allProxy", "ALL_PROXY"},
}

// proxies gives "NAME=value" for containers and builds from the "default" entry of docker's
// config.json, each in upper and lower case. A name that given holds, in either case, is the person's
// own matter.
func (c *call) proxies(given []string) []string {
	entry := c.config().Proxies["default"]
	var out []string
	for _, v := range proxyVariables {
		value := entry[v.key]
		if value == "" || names(given, v.name) {
			continue
		}
		out = append(out, v.name+"="+value, strings.ToLower(v.name)+"="+value)
	}
	return out
}

// names reports whether list sets name, in upper or lower case.
func names(list []string, name string) bool {
	for _, entry := range list {
		if got, _, _ := strings.Cut(entry, "="); strings.EqualFold(got, name) {
			return true
		}
	}
	return false
}
