package record

// Asked are flags as they were given, for inspect and for containers that take them over. What a
// start needs of them is in the wishes beside the record, but for the modes: "container:ID" tells which
// container's monitor starts this one.
type Asked struct {
	Binds        []string `json:"binds,omitempty"` // -v with a source
	VolumesFrom  []string `json:"volumesFrom,omitempty"`
	VolumeDriver string   `json:"volumeDriver,omitempty"`

	NetworkMode string `json:"networkMode,omitempty"` // "container:ID", else empty
	PidMode     string `json:"pidMode,omitempty"`
	IpcMode     string `json:"ipcMode,omitempty"`
	UTSMode     string `json:"utsMode,omitempty"`
	UsernsMode  string `json:"usernsMode,omitempty"`

	Privileged  bool              `json:"privileged,omitempty"`
	Devices     []Device          `json:"devices,omitempty"`
	GroupAdd    []string          `json:"groupAdd,omitempty"`
	Tmpfs       map[string]string `json:"tmpfs,omitempty"` // options by path
	ShmSize     int64             `json:"shmSize,omitempty"`
	Ulimits     []Ulimit          `json:"ulimits,omitempty"`
	Sysctls     map[string]string `json:"sysctls,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`

	DNS        []string `json:"dns,omitempty"`
	DNSSearch  []string `json:"dnsSearch,omitempty"`
	DNSOptions []string `json:"dnsOptions,omitempty"`
	ExtraHosts []string `json:"extraHosts,omitempty"`
	PublishAll bool     `json:"publishAll,omitempty"`

	CIDFile    string   `json:"cidFile,omitempty"`
	Attached   []string `json:"attached,omitempty"` // -a
	Domainname string   `json:"domainname,omitempty"`
}

// Device is one --device.
type Device struct {
	Host      string `json:"host"`
	Container string `json:"container"`
}

// Ulimit is one --ulimit; -1 is unlimited.
type Ulimit struct {
	Name       string `json:"name"`
	Soft, Hard int64
}
