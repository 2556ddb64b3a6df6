package runtime

import (
	"context"
	"fmt"
	"slices"

	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/loader/probe"
)

// traits are properties of a model from its header and the engine. They do not depend on the
// memory of the weights.
type traits struct {
	info       llama.ModelInfo
	kv         kvShape
	bos        llama.Token
	addsBOS    bool // the tokenizer adds bos before a text
	eog        map[llama.Token]bool
	reranker   bool // the file's pooling type is rank
	classifier bool // the file has a classifier, which ranking needs
	outputs    bool // the classifier has an output matrix
	tied       bool // the output matrix is that of the token embeddings
}

// readTraits returns the traits of a model whose header the engine has read.
func readTraits(w *weights) (t traits, err error) {
	t.kv = readKVShape(w.index)
	if t.info, err = w.native.Info(); err != nil {
		return t, err
	}
	special, err := w.native.SpecialTokens()
	if err != nil {
		return t, err
	}
	t.bos, t.addsBOS = special.BOS, special.AddBOS
	eogs, err := w.native.EOGs()
	if err != nil {
		return t, err
	}
	t.eog = map[llama.Token]bool{}
	for _, x := range eogs {
		t.eog[x] = true
	}
	has := func(name string) bool {
		_, ok := w.index.Tensor(name)
		return ok
	}
	t.outputs = has("cls.output.weight")
	t.classifier = t.outputs || has("cls.weight")
	if v, ok := w.index.Lookup(t.info.Architecture + ".pooling_type"); ok {
		n, _ := v.Uint()
		t.reranker = n == poolingRank
	}
	causal := true // without causal attention (embedding models) there is no output matrix
	if v, ok := w.index.Lookup(t.info.Architecture + ".attention.causal"); ok {
		causal, _ = v.Bool()
	}
	t.tied = !has("output.weight") && causal
	return t, nil
}

func (t *traits) isEOG(id llama.Token) bool { return t.eog[id] }

// kvShape gives an upper bound for the largest tensor of a context's memory: the K or V cache
// of one layer, or its recurrent state, which the engine needs contiguous. It bounds the range
// of a block; the engine measures what a context takes.
type kvShape struct {
	width uint64 // upper bound of the elements of a token in the K or V cache of a layer
	state uint64 // upper bound of the bytes of the recurrent state of a layer and sequence
}

func readKVShape(index *gguf.Index) kvShape {
	arch := index.Architecture()
	get := func(key string) uint64 { // a number, or the largest one of an array
		v, ok := index.Lookup(arch + "." + key)
		if !ok {
			return 0
		}
		if !v.IsArray() {
			n, _ := v.Uint()
			return n
		}
		most := uint64(0)
		for _, x := range v.Elems() {
			if n, ok := x.Uint(); ok {
				most = max(most, n)
			} else if n, ok := x.Int(); ok && n > 0 {
				most = max(most, uint64(n))
			}
		}
		return most
	}
	embd, heads := get("embedding_length"), max(get("attention.head_count"), 1)
	kvHeads := get("attention.head_count_kv")
	if kvHeads == 0 {
		kvHeads = heads
	}
	head := max(get("attention.key_length"), get("attention.value_length"), get("attention.key_length_swa"), get("attention.value_length_swa"), get("attention.indexer.key_length"))
	if head == 0 {
		head = embd / heads
	}
	linear := get("kda.head_dim") // a square for each head
	if arch == "minimax-01" {
		linear = head
	}
	inner, state := get("ssm.inner_size"), get("ssm.state_size")
	convolution := max(get("ssm.conv_kernel"), get("shortconv.l_cache")) * (max(inner, embd) + 2*get("ssm.group_count")*state)
	convolution = max(convolution, 3*get("ssm.conv_kernel")*heads*linear)
	shift := max(get("token_shift_count"), 2) * embd
	return kvShape{
		width: kvHeads * head,
		state: 4 * max(convolution, shift, state*inner, embd*get("wkv.head_size"), heads*linear*linear),
	}
}

// largest returns an upper bound for the size in bytes of such a tensor. The engine rounds the
// number of tokens up to a multiple of 256.
func (s kvShape) largest(p llama.ContextParams) uint64 {
	const padding = 256
	cells := (uint64(p.Ctx) + padding - 1) / padding * padding
	row := uint64(0)
	for _, name := range []string{cacheName(p.CacheTypeK), cacheName(p.CacheTypeV)} {
		if t, err := gguf.ParseType(name); err == nil {
			row = max(row, (s.width+t.BlockSize()-1)/t.BlockSize()*t.BlockBytes())
		}
	}
	return max(cells*row, s.state*uint64(max(p.SeqMax, 1)))
}

// Task is the task that a model is made for.
type Task int

const (
	// TaskText is to continue a text token by token: [Session.Generate].
	TaskText Task = iota
	// TaskEmbeddings is to return vectors for texts: [Session.Embed].
	TaskEmbeddings
	// TaskRerank is to score how well documents answer a query: [Session.Rerank].
	TaskRerank
	// TaskDiffusion is to denoise all tokens of a text in steps. It is not supported.
	TaskDiffusion
	// TaskAudio is to decode audio codes, or to predict them. It is not supported.
	TaskAudio
)

var taskWords = []string{"text", "embeddings", "ranks", "text by diffusion", "audio"}

func (t Task) String() string {
	if t < 0 || int(t) >= len(taskWords) {
		return fmt.Sprintf("Task(%d)", int(t))
	}
	return taskWords[t]
}

// encoders are the architectures without causal attention, which predict no tokens.
var encoders = []string{"bert", "nomic-bert", "nomic-bert-moe", "jina-bert-v2", "jina-bert-v3", "neo-bert", "gemma-embedding", "t5encoder", "modern-bert", "eurobert", "llama-embed"}

// audio are the architectures of parts of speech models.
var audio = []string{"wavtokenizer-dec", "pockettts", "qwen3tts"}

// Task returns the task that the model is made for. Models for text can make embeddings too,
// and rerankers that were made of text models can generate text too.
func (m *Model) Task() Task { return m.task() }

func (t *traits) task() Task {
	switch arch := t.info.Architecture; {
	case t.ranks():
		return TaskRerank
	case slices.Contains(encoders, arch):
		return TaskEmbeddings
	case t.info.Diffusion || arch == "rnd1":
		return TaskDiffusion
	case slices.Contains(audio, arch):
		return TaskAudio
	}
	return TaskText
}

// poolingRank is the value of rank pooling in a file.
const poolingRank = 4

// ranks reports whether the model is a reranker.
func (t *traits) ranks() bool { return t.reranker && t.classifier }

// decodes returns a [*TaskError] for models that can't generate text token by token.
func (t *traits) decodes() error {
	task := t.task()
	if task == TaskText || task == TaskRerank && !slices.Contains(encoders, t.info.Architecture) {
		return nil
	}
	return &TaskError{Architecture: t.info.Architecture, Task: task, Asked: TaskText}
}

// embedsTexts returns a [*TaskError] for models that can't make embeddings of texts.
func (t *traits) embedsTexts() error {
	switch task := t.task(); {
	case task == TaskAudio, t.info.Encoder && t.info.Decoder:
		return &TaskError{Architecture: t.info.Architecture, Task: task, Asked: TaskEmbeddings}
	}
	return nil
}

// Flash attention on CPUs saves memory, not time. The engine's kernel processes the positions
// of the cache one by one. Without it, attention is two matrix products whose intermediate
// result takes memory in proportion to context, micro-batch and heads. These products round
// differently for one row than for several, so drafted tokens (GenerateOptions.Lookup) may
// change a text. In this package, llama.FlashAuto computes without flash attention if memory
// is ample.

// firstNeed returns what a session takes with the given options, and chooses flash attention
// if it is auto. The choice holds until the session is closed. weights is the size of weights
// that are still to be copied.
func (s *sizer) firstNeed(ctx context.Context, params llama.ContextParams, ubatchGiven bool, weights uint64, p probe.Probe) (n need, err error) {
	why, short := "", false
	switch {
	case params.FlashAttn != llama.FlashAuto:
		why = "as requested"
	case s.config.offloads():
		why = "the engine decides with layers on GPUs"
	case llama.QuantisedCache(params.CacheTypeV):
		why = fmt.Sprintf("a V cache of type %s needs it", params.CacheTypeV)
	case llama.QuantisedCache(params.CacheTypeK):
		why = fmt.Sprintf("the K cache has type %s", params.CacheTypeK)
	case s.config.guesses():
		why = "with it drafted tokens give the same results as single ones"
	case need{params: params}.isBatch():
		why = "it skips the texts of others in the same context"
	case s.flashOn:
		why = "memory was short when the model was opened"
	default:
		without := params
		without.FlashAttn = llama.FlashOff
		n, err = s.measure(without, ubatchGiven)
		if err == nil && n.params.UBatch < min(params.UBatch, n.params.Ctx) {
			err = errSmallerBatch
		}
		if err == nil {
			if why = s.notAmple(weights, n, p); why == "" {
				n.why = "memory is ample"
				return n, nil
			}
		} else {
			why = "without it a tensor of the graph is larger than a block may be"
		}
		if err := ctx.Err(); err != nil {
			return n, err
		}
		short = true
	}
	n, err = s.measure(params, ubatchGiven)
	n.why, n.short = why, short
	return n, err
}

// errSmallerBatch is the reason for flash attention if the micro-batch would be lowered without.
var errSmallerBatch = optionError("micro-batch", "", "the micro-batch would be smaller")

// notAmple returns why memory is not ample for a session beside the weights, "" if it is.
// Memory is ample if session and weights stay in memory and leave a quarter of it free.
func (s *sizer) notAmple(weights uint64, n need, p probe.Probe) string {
	if refused := s.roomForBoth(weights, n, p); refused != nil {
		return fmt.Sprintf("%s needed without it, %s left (%s)", words.Size(refused.Requested), words.Size(refused.Available), refused.Limit)
	}
	total := weights + n.total()
	if available, limit := p.Available(); s.config.pool == nil && total > available/4*3 {
		return fmt.Sprintf("without it a session and copied weights take %s of the %s left (%s)", words.Size(total), words.Size(available), limit)
	}
	if s.weights.mode != LoadMMap && s.weights.mode != LoadStock {
		return ""
	}
	if all, left := s.weights.plan.Bytes+total+engineReserve, mayReside(p); all > left/8*7 {
		return fmt.Sprintf("without it not all of the weights would stay in memory: %s of the %s left", words.Size(all), words.Size(left))
	}
	if all, budget := s.weights.budget.with(n.touched().Total(), s.weights.plan.Bytes, s.config.maxMemory); s.weights.mode == LoadMMap && all > budget {
		return fmt.Sprintf("without it not all of the weights would stay in the memory budget: %s of %s", words.Size(all), words.Size(budget))
	}
	return ""
}

// with returns what a model would have in memory with all its weights and one more session,
// and its budget. Without a budget yet, the budget is most.
func (b *budget) with(session, weights, most uint64) (all, budget uint64) {
	if b == nil {
		base, _, err := baseMemory()
		if most == 0 || err != nil {
			most = MaxMemoryOff
		}
		return base + session + weights, most
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.base + max(b.planned.Total(), b.sessions.Total()+session) + weights, b.total
}

// flashAttention returns what a session's parameters mean: without layers on GPUs, the engine
// turns FlashAuto into FlashOn.
func (s *sizer) flashAttention(p llama.ContextParams) llama.FlashAttention {
	if p.FlashAttn == llama.FlashAuto && !s.config.offloads() {
		return llama.FlashOn
	}
	return p.FlashAttn
}
