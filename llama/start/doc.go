// Package start looks at the CPU and at the limits of the process before Go's runtime runs, for a command
// that imports it. Under some of them the runtime ends the process, by a signal or with
// exit code 2 and pages of text, before any code of the program could say anything. Here a
// constructor in C says in one line which limit it is, its value and what is needed, and
// exits with [ExitCode].
//
// It is below package llama because C is at home there, and package llama does not import
// it: importing it decides how a process starts, which is not for libraries. Nothing happens
// without cgo, and of the limits only on Linux.
package start

// ExitCode is that of a process that a limit does not let start.
const ExitCode = 3
