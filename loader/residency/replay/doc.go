// Package replay tells what slots for the experts of a mixture are good for: it keeps which
// experts a model's routers chose while a text was evaluated, as a [Trace], and replays that with
// another number of slots and another [Policy]. It computes nothing with a model, and takes no
// memory for experts.
//
// # The file
//
// A trace is a file of JSON objects, one a line. The first is a [Header]:
//
//	{"infer_expert_trace":1,"model":{"name":"m.gguf","bytes":123,"sha256":"…"},"experts_used":2,
//	 "slot_bytes":12288,"layers":[{"layer":0,"experts":16,"expert_bytes":8192}]}
//
// Each further line is a [Choice]: what one layer chose in one evaluation. ids are those of each
// token's experts, token by token.
//
//	{"evaluation":0,"layer":0,"tokens":2,"ids":[3,1,7,3]}
//
// Evaluations count up from 0 and layers count up within each. Fields that are not known are
// ignored; another version in the first line is refused.
package replay
