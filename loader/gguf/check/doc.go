// Package check refuses models that the engine would not survive: on which it would assert,
// divide by zero, run out of stack, or compute for hours. Rules by architecture are in the
// table of arch_table.go.
package check
