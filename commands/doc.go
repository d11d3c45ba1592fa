// Package commands is the door of dhow: it turns a command line into one call of build, run or
// storage and the answer into docker's words, streams and exit codes.
//
// One verb stands in one file; verbs.go is the one list of them. A command line is read once, by
// commands/argv from the verb's flag definitions; progress, tables and templates are made by
// commands/ui, errors become sentences by commands/explain. Nothing below this package prints or
// ends the process. Only the called verb's flags are ever made: a start counts in milliseconds.
package commands
