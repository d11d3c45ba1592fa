// Package config has the options of the library this module stands in for.
package config

// EncryptConfig is never set.
type EncryptConfig struct{ Parameters map[string][][]byte }

// DecryptConfig is never set.
type DecryptConfig struct{ Parameters map[string][][]byte }
