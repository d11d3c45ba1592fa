// Package ui turns what the work reports into what a person or a script reads: build progress (tty,
// plain, rawjson, quiet), transfer progress (docker's bars and lines), tables and Go templates with
// docker's functions.
//
// It writes to the writers it is given and decides nothing else. Everything that comes from an
// image, a registry or a container passes Escape or one of its siblings before it reaches a
// terminal: names, labels and build output can hold control sequences that drive it.
package ui
