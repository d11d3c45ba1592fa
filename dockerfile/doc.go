// Package dockerfile turns the text of a Dockerfile into located, typed instructions.
//
// BuildKit's own parser, instructions, shell and linter packages do the reading: they are the
// reference. This room gives them our types, spans and findings, reads ignore files, expands
// words, and nothing else in the project knows those packages. It expands nothing on its own and
// resolves no image: a File is the text as written, and one File can be planned many times.
//
// Everything here takes hostile text: sizes are bounded (see MaxSize, MaxExpansion), nothing
// panics, and every error names file and line.
package dockerfile
