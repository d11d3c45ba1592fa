// Package annotations stands in for Google's API annotations, which sigstore's generated messages import
// for options of their fields that nothing here reads: protobuf takes a file that is not registered
// for a placeholder. The real one registers descriptors of HTTP rules and client libraries, and with
// them the descriptor of all descriptors, at every start of dhow.
package annotations
