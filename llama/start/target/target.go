// Package target holds the names of the instruction sets that the C compiler was told to use
// (CGO_CFLAGS), as data: package start compares them with the CPU, in code that itself is
// compiled for any CPU.
package target
