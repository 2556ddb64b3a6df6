package models

import (
	"fmt"
	"math"

	"github.com/seed7adf6694/infer/loader/gguf"
)

// A blueprint is a tensor of a synthetic model.
type blueprint struct {
	name  string
	part  part
	layer int      // of the transformer blocks; -1 outside of them
	dims  []uint64 // ggml order, fastest first
	// deviation of the random values; 0 stands for ones
	deviation float64
	scales    []float32 // one for each row; nil stands for ones
	kind      gguf.Type // chosen by a recipe
}

// The part that a tensor plays decides its type.
type part uint8

const (
	norm   part = iota // stays f32
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

// rowLength is the number of values of which a row is made; blocks of
// quantised values never span rows.
func (b *blueprint) rowLength() uint64 { return b.dims[0] }

func (b *blueprint) rows() uint64 { return b.elements() / b.dims[0] }

func (b *blueprint) elements() uint64 {
	n := uint64(1)
	for _, d := range b.dims {
		n *= d
	}
	return n
}

// tensors lists the tensors of a complete shape in the order of the file.
//
// The deviations keep random activations sane: a matrix whose values have the
// deviation 1/√(length of its rows) keeps the size of what it is applied to.
// What the blocks add to the stream is made smaller by the number of additions,
// so that the stream grows to about √2 times the embedding, whatever the depth.
func (s Shape) tensors() []blueprint {
	width, kv, ffn := uint64(s.Width), uint64(s.kvWidth()), uint64(s.FFN)
	vocab, experts := uint64(s.Vocab), uint64(s.Experts)
	keep := func(n uint64) float64 { return 1 / math.Sqrt(float64(n)) }
	added := keep(2 * uint64(s.Layers))

	list := []blueprint{
		{name: "token_embd.weight", part: embedding, layer: -1, dims: []uint64{width, vocab}, deviation: 1},
		{name: "output_norm.weight", part: norm, layer: -1, dims: []uint64{width}},
		{name: "output.weight", part: output, layer: -1, dims: []uint64{width, vocab}, deviation: keep(width)},
	}
	for layer := range s.Layers {
		add := func(name string, p part, deviation float64, dims ...uint64) {
			list = append(list, blueprint{
				name: fmt.Sprintf("blk.%d.%s.weight", layer, name), part: p, layer: layer, dims: dims, deviation: deviation,
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
