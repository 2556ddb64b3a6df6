package server

import "github.com/seed7adf6694/infer/runtime"

// slotObject is llama-server's object of a slot, with more figures.
type slotObject struct {
	runtime.SlotStats
	Context int `json:"n_ctx"` // most tokens of a request
}
