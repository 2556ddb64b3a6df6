// Package replay computes how many reads slots for the experts of a mixture save. A [Trace] has
// the experts that a model's routers chose while a text was evaluated; [Trace.Replay] counts the
// hits with any number of slots and any [Policy]. The package does not use a model and allocates
// no memory for experts.
//
// # The file
//
// A trace is a file of JSON objects, one a line. The first is a [Header]:
//
//	{"infer_expert_trace":1,"model":{"name":"m.gguf","bytes":123,"sha256":"…"},"experts_used":2,
//	 "slot_bytes":12288,"bank_slots":9000,"layers":[{"layer":0,"experts":16,"expert_bytes":8192}]}
//
// Each further line is a [Choice]: what one layer chose in one evaluation. ids are those of each
// token's experts, token by token.
//
//	{"evaluation":0,"layer":0,"tokens":2,"ids":[3,1,7,3]}
//
// Evaluations count up from 0 and layers count up within each. Fields that are not known are
// ignored; another version in the first line is refused.
package replay
