package build

import (
	"github.com/dhow-containers/dhow/build/step"
)

// StepError is a build step that failed. It carries the lines of the Dockerfile it stands in, the
// exit code when a command ended with one, and the last lines the step printed.
type StepError = step.Error
