package commands

import (
	"github.com/dhow-containers/dhow/run/record"
)

// askedDocument are the parts of HostConfig that show flags as they were given, in docker's names.
type askedDocument struct {
	Binds       []string
	VolumesFrom []string
}

func askedOf(a record.Asked) askedDocument {
	return askedDocument{
		Binds:       a.Binds,
		VolumesFrom: a.VolumesFrom,
	}
}
