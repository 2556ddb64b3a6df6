// Package loader reads GGUF models and finds memory for them: index, plan, chunks,
// arena, ledger, probe. It is pure Go and knows no engine.
package loader
