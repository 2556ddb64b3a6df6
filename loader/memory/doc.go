// Package memory takes native memory from the system, in pieces of bounded size, and gives it
// back. An [Arena] hands out blocks of private memory, from the system or from a [Pool] that was
// reserved before. [MapFiles] maps pieces of files. A [Ledger] keeps the account of all of it by
// [Purpose]. What is refused is an [*Error], with the limit that refused and what would help.
//
// Memory of this package is not the garbage collector's: it stays until it is given back.
package memory
