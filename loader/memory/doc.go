// Package memory allocates native memory in blocks of bounded size. An [Arena] allocates blocks of
// private memory, from the system or from a [Pool] that was reserved before. [MapFiles] maps
// ranges of files. A [Ledger] accounts for all of it by [Purpose]. A refused request returns an
// [*Error] with the limit and the remedies.
//
// The garbage collector does not manage this memory: it stays until it is freed.
package memory
