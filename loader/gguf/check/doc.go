// Package check refuses models on which an engine would assert, divide by zero, overflow the stack,
// or compute for hours. The rules for each architecture are in the table of arch_table.go, and those
// that engines of llama.cpp v0.5.x have otherwise in that of arch_table_v0_5.go; an [Engine] selects.
package check
