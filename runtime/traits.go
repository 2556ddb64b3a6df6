package runtime

import (
	"fmt"
	"slices"

	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader/gguf"
)

// traits are what a model's header and the engine say of it. They stay as they are wherever
// the weights go.
type traits struct {
	info       llama.ModelInfo
	kv         kvShape
	bos        llama.Token
	addsBOS    bool // the tokenizer, before a text
	eog        map[llama.Token]bool
	reranker   bool // the file says so
	classifier bool // there is one, without which no model ranks
	outputs    bool // of the classifier, one for each text
	tied       bool // the output is computed with the embeddings of the tokens
}

// readTraits reads them from a model that the engine has read the header of.
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
	causal := true // models that look both ways, as those for embeddings do, compute no output
	if v, ok := w.index.Lookup(t.info.Architecture + ".attention.causal"); ok {
		causal, _ = v.Bool()
	}
	t.tied = !has("output.weight") && causal
	return t, nil
}

func (t *traits) isEOG(id llama.Token) bool { return t.eog[id] }

// kvShape bounds the tensors that a context keeps of its tokens: the engine wants the
// K or V cache of one layer, or its recurrent state, side by side. It decides how
// long a range a block may take; what a context takes in all, the engine says.
type kvShape struct {
	width uint64 // elements of a token in the K or V cache of a layer, at most
	state uint64 // bytes of the recurrent state of a layer and sequence, at most
}

func readKVShape(index *gguf.Index) kvShape {
	arch := index.Architecture()
	get := func(key string) uint64 { // the largest element of what may be a list
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
	head := max(get("attention.key_length"), get("attention.value_length"))
	if head == 0 {
		head = embd / heads
	}
	inner, state := get("ssm.inner_size"), get("ssm.state_size")
	convolution := max(get("ssm.conv_kernel"), get("shortconv.l_cache")) * (max(inner, embd) + 2*get("ssm.group_count")*state)
	shift := max(get("token_shift_count"), 2) * embd
	return kvShape{
		width: kvHeads * head,
		state: 4 * max(convolution, shift, state*inner, embd*get("wkv.head_size")),
	}
}

// largest bounds the size in bytes of one of those tensors in a context. The engine
// rounds the number of tokens up.
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

// Task is what a model is made for.
type Task int

const (
	// TaskText is to go on with a text, token by token: [Session.Generate].
	TaskText Task = iota
	// TaskEmbeddings is to make vectors of texts: [Session.Embed].
	TaskEmbeddings
	// TaskRerank is to tell how well documents answer a query: [Session.Rerank].
	TaskRerank
	// TaskDiffusion is to fill in a whole text at once, in steps, which this package
	// does not do.
	TaskDiffusion
	// TaskAudio is to make sound of codes, which this package does not do.
	TaskAudio
)

var taskWords = []string{"text", "embeddings", "ranks", "text by diffusion", "audio"}

func (t Task) String() string {
	if t < 0 || int(t) >= len(taskWords) {
		return fmt.Sprintf("Task(%d)", int(t))
	}
	return taskWords[t]
}

// encoders are the architectures that look at a whole text at once and predict no token.
var encoders = []string{"bert", "nomic-bert", "nomic-bert-moe", "jina-bert-v2", "jina-bert-v3", "neo-bert", "gemma-embedding", "t5encoder"}

// Task returns what the model is made for. Models for text make embeddings too; rerankers
// made of such models rank, and can be asked for text.
func (m *Model) Task() Task { return m.task() }

func (t *traits) task() Task {
	switch arch := t.info.Architecture; {
	case t.ranks():
		return TaskRerank
	case slices.Contains(encoders, arch):
		return TaskEmbeddings
	case t.info.Diffusion || arch == "rnd1":
		return TaskDiffusion
	case arch == "wavtokenizer-dec":
		return TaskAudio
	}
	return TaskText
}

// poolingRank is the number of rank pooling in a file.
const poolingRank = 4

// ranks tells whether the model says that it is a reranker.
func (t *traits) ranks() bool { return t.reranker && t.classifier }

// decodes returns an error for models that make no text token by token.
func (t *traits) decodes() error {
	task := t.task()
	if task == TaskText || task == TaskRerank && !slices.Contains(encoders, t.info.Architecture) {
		return nil
	}
	return &TaskError{Architecture: t.info.Architecture, Task: task, Asked: TaskText}
}

// embedsTexts returns an error for models that make no embeddings of texts.
func (t *traits) embedsTexts() error {
	switch task := t.task(); {
	case task == TaskAudio, t.info.Encoder && t.info.Decoder:
		return &TaskError{Architecture: t.info.Architecture, Task: task, Asked: TaskEmbeddings}
	}
	return nil
}
