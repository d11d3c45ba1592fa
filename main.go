// Dhow builds and runs containers as a normal user, from one static binary and without a daemon.
package main

import (
	"os"

	cstorage "go.podman.io/storage/pkg/reexec"

	_ "github.com/dhow-containers/dhow/rootless/enter" // the constructor
)

func main() {
	if cstorage.Init() {
		return
	}
	os.Exit(0)
}
