package network

// ResolvConf gives the contents of the container's /etc/resolv.conf.
func ResolvConf(cfg Config) []byte { return nil }

// HostsFile gives the contents of the container's /etc/hosts.
func HostsFile(cfg Config, hostname string) []byte { return nil }

// HostnameFile gives the contents of the container's /etc/hostname.
func HostnameFile(hostname string) []byte { return []byte(hostname + "\n") }

// ParseMode reads Docker's and our names of networks; the empty string is Private.
func ParseMode(name string) (Mode, error) { return Mode(name), nil }

// Validate reports the first wrong entry of cfg in one line.
func (c Config) Validate() error { return nil }
