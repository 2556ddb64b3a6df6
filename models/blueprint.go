package models

import (
	"fmt"
	"math"

	"github.com/seed7adf6694/infer/loader/gguf"
)

// A blueprint describes a tensor of a synthetic model.
type blueprint struct {
	name  string
	role  role
	layer int      // layer number; -1: outside layers
	dims  []uint64 // ggml order, fastest first
	// deviation is the standard deviation of the random values; 0: all ones
	deviation float64
	scales    []float32 // one for each row; nil: all ones
	kind      gguf.Type // set by a recipe
}

// A role decides the type of a tensor.
type role uint8

const (
	norm   role = iota // stays f32
	router             // chooses experts, stays f32
	embedding
	output
	attentionQ
	attentionK
	attentionV
	attentionOut
	ffnGate
	ffnUp
	ffnDown
)

// rowLength returns the number of values in a row; blocks of quantised values never span rows.
func (b *blueprint) rowLength() uint64 { return b.dims[0] }

func (b *blueprint) rows() uint64 { return b.elements() / b.dims[0] }

func (b *blueprint) elements() uint64 {
	n := uint64(1)
	for _, d := range b.dims {
		n *= d
	}
	return n
}

// tensors lists the tensors of a complete shape in file order.
//
// The deviations keep activations in range: multiplying by a matrix whose values have deviation
// 1/√(row length) preserves the magnitude. The outputs that layers add to the residual stream
// are scaled down by their number, so that the stream grows to about √2 times the embedding at
// any depth.
func (s Shape) tensors() []blueprint {
	width, kv, ffn := uint64(s.Width), uint64(s.kvWidth()), uint64(s.FFN)
	vocab, experts := uint64(s.Vocab), uint64(s.Experts)
	keep := func(n uint64) float64 { return 1 / math.Sqrt(float64(n)) }
	added := keep(2 * uint64(s.Layers))

	list := []blueprint{
		{name: "token_embd.weight", role: embedding, layer: -1, dims: []uint64{width, vocab}, deviation: 1},
		{name: "output_norm.weight", role: norm, layer: -1, dims: []uint64{width}},
		{name: "output.weight", role: output, layer: -1, dims: []uint64{width, vocab}, deviation: keep(width)},
	}
	for layer := range s.Layers {
		add := func(name string, r role, deviation float64, dims ...uint64) {
			list = append(list, blueprint{
				name: fmt.Sprintf("blk.%d.%s.weight", layer, name), role: r, layer: layer, dims: dims, deviation: deviation,
			})
		}
		add("attn_norm", norm, 0, width)
		add("attn_q", attentionQ, keep(width), width, width)
		add("attn_k", attentionK, keep(width), width, kv)
		add("attn_v", attentionV, keep(width), width, kv)
		add("attn_output", attentionOut, keep(width)*added, width, width)
		add("ffn_norm", norm, 0, width)
		if experts == 0 {
			add("ffn_gate", ffnGate, keep(width), width, ffn)
			add("ffn_up", ffnUp, keep(width), width, ffn)
			add("ffn_down", ffnDown, keep(ffn)*added, ffn, width)
			continue
		}
		add("ffn_gate_inp", router, keep(width), width, experts)
		add("ffn_gate_exps", ffnGate, keep(width), width, ffn, experts)
		add("ffn_up_exps", ffnUp, keep(width), width, ffn, experts)
		add("ffn_down_exps", ffnDown, keep(ffn)*added, ffn, width, experts)
	}
	return list
}
