// Package target has the names of the instruction sets that the C compiler used (CGO_CFLAGS), as
// data. Package start compares them with the CPU, in code that is compiled for any CPU.
package target
