package record

// Asked are flags as they were given, for inspect and for containers that take them over. What a
// start needs of them is in the wishes beside the record.
type Asked struct {
	Binds       []string `json:"binds,omitempty"` // -v with a source
	VolumesFrom []string `json:"volumesFrom,omitempty"`
}
