// Package start checks the CPU and the limits of the process before Go's runtime starts, for a
// command that imports it. Under some limits the runtime ends the process, by a signal or with exit
// code 2 and a long trace, before any code of the program runs. Here a constructor in C prints one
// line with the limit, its value and the value needed, and exits with [ExitCode].
//
// It is below package llama, the place of all C code. Package llama does not import it: a library
// must not decide how a process starts. Without cgo it does nothing. Limits are checked only on
// Linux.
package start

// ExitCode is the exit code of a process that cannot start because of a limit.
const ExitCode = 3
