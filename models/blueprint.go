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
	// deviation is the standard deviation of the random values; 0: all are constant
	deviation float64
	constant  float32   // 0: ones
	scales    []float32 // one for each row; nil: all ones
	kind      gguf.Type // set by a recipe
}

// A role decides the type of a tensor.
type role uint8

const (
	norm   role = iota // stays f32
	router             // chooses experts, stays f32
	small              // biases and what belongs to a state, stays f32
	embedding
	output
	attentionQ
	attentionK
	attentionV
	attentionOut
	ffnGate
	ffnUp
	ffnDown
	stateMatrix
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
	width, vocab := uint64(s.Width), uint64(s.Vocab)
	l := layout{shape: s, added: keep(2 * s.Layers)}
	l.list = []blueprint{
		{name: "token_embd.weight", role: embedding, layer: -1, dims: []uint64{width, vocab}, deviation: 1},
		{name: "output_norm.weight", role: norm, layer: -1, dims: []uint64{width}},
		{name: "output.weight", role: output, layer: -1, dims: []uint64{width, vocab}, deviation: keep(s.Width)},
	}
	for l.layer = range s.Layers {
		l.add("attn_norm.weight", norm, 0, s.Width)
		if s.recurrent(l.layer) {
			l.addState()
		} else {
			l.addAttention()
		}
		if s.Arch == archGptOss {
			l.add("post_attention_norm.weight", norm, 0, s.Width)
		} else {
			l.add("ffn_norm.weight", norm, 0, s.Width)
		}
		l.addFFN()
	}
	return l.list
}

// keep is the deviation of a matrix with rows of n values that keeps the size of what it
// is applied to.
func keep(n int) float64 { return 1 / math.Sqrt(float64(n)) }

// A layout is a list of tensors in the making.
type layout struct {
	shape Shape
	added float64 // factor for what is added to the stream
	layer int
	list  []blueprint
}

func (l *layout) add(name string, r role, deviation float64, dims ...int) *blueprint {
	b := blueprint{name: fmt.Sprintf("blk.%d.%s", l.layer, name), role: r, layer: l.layer, deviation: deviation}
	for _, d := range dims {
		b.dims = append(b.dims, uint64(d))
	}
	l.list = append(l.list, b)
	return &l.list[len(l.list)-1]
}

// biasDeviation is that of biases, beside values of about 1.
const biasDeviation = 0.1

func (l *layout) addAttention() {
	s := l.shape
	width, query, kv := s.Width, s.headSize()*s.Heads, s.kvWidth()
	l.add("attn_q.weight", attentionQ, keep(width), width, query)
	l.add("attn_k.weight", attentionK, keep(width), width, kv)
	l.add("attn_v.weight", attentionV, keep(width), width, kv)
	l.add("attn_output.weight", attentionOut, keep(query)*l.added, query, width)
	switch s.Arch {
	case archQwen3MoE:
		l.add("attn_q_norm.weight", norm, 0, s.headSize())
		l.add("attn_k_norm.weight", norm, 0, s.headSize())
	case archGptOss:
		l.add("attn_q.bias", small, biasDeviation, query)
		l.add("attn_k.bias", small, biasDeviation, kv)
		l.add("attn_v.bias", small, biasDeviation, kv)
		l.add("attn_output.bias", small, biasDeviation*l.added, width)
		l.add("attn_sinks.weight", small, 1, s.Heads)
	}
}

func (l *layout) addFFN() {
	s := l.shape
	width, ffn, experts := s.Width, s.FFN, s.Experts
	if experts == 0 {
		l.add("ffn_gate.weight", ffnGate, keep(width), width, ffn)
		l.add("ffn_up.weight", ffnUp, keep(width), width, ffn)
		l.add("ffn_down.weight", ffnDown, keep(ffn)*l.added, ffn, width)
		return
	}
	l.add("ffn_gate_inp.weight", router, keep(width), width, experts)
	l.add("ffn_gate_exps.weight", ffnGate, keep(width), width, ffn, experts)
	l.add("ffn_up_exps.weight", ffnUp, keep(width), width, ffn, experts)
	l.add("ffn_down_exps.weight", ffnDown, keep(ffn)*l.added, ffn, width, experts)
	if s.Arch == archGptOss {
		l.add("ffn_gate_inp.bias", small, biasDeviation, experts)
		l.add("ffn_gate_exps.bias", small, biasDeviation, ffn, experts)
		l.add("ffn_up_exps.bias", small, biasDeviation, ffn, experts)
		l.add("ffn_down_exps.bias", small, biasDeviation*l.added, width, experts)
	}
	if shared := s.sharedFFN(); shared > 0 {
		l.add("ffn_gate_shexp.weight", ffnGate, keep(width), width, shared)
		l.add("ffn_up_shexp.weight", ffnUp, keep(width), width, shared)
		l.add("ffn_down_shexp.weight", ffnDown, keep(shared)*l.added, shared, width)
	}
}

// addState adds a layer of Mamba 2.
func (l *layout) addState() {
	s := l.shape
	width, inner, heads := s.Width, s.stateWidth(), s.stateHeads()
	convolved := inner + 2*stateGroups*stateSize
	l.add("ssm_in.weight", stateMatrix, keep(width), width, inner+convolved+heads)
	l.add("ssm_conv1d.weight", small, keep(stateConv), stateConv, convolved)
	l.add("ssm_conv1d.bias", small, biasDeviation, convolved)
	l.add("ssm_dt.bias", small, 1, heads)
	l.add("ssm_a", small, 0, 1, heads).constant = -1 // the state decays
	l.add("ssm_d", small, 0, 1, heads)
	l.add("ssm_norm.weight", norm, 0, inner/stateGroups, stateGroups)
	l.add("ssm_out.weight", stateMatrix, keep(inner)*l.added, inner, width)
}
