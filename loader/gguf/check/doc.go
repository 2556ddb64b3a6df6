// Package check refuses models on which the engine would assert, divide by zero, overflow the stack,
// or compute for hours. The rules for each architecture are in the table of arch_table.go.
package check
