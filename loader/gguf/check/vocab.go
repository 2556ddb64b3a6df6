package check

import (
	"fmt"
	"iter"
	"math"
	"strconv"
	"strings"

	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/loader/gguf"
)

// noToken is the engine's id for a kind of token that a vocabulary lacks.
const noToken = -1

// Limits that keep the engine's tokenisers from overflowing the stack or running very long.
const (
	// maxTokenBytes is the maximum size of a token of any vocabulary.
	maxTokenBytes = 1<<16 - 1
	// maxTrieTokenBytes: the tries of t5 and rwkv are built and freed by recursion, one level for
	// each byte.
	maxTrieTokenBytes = 4096
	// maxPLaMoTokenBytes: every suffix of a token is a separate string, and every prefix of every
	// suffix is looked up.
	maxPLaMoTokenBytes = 512
	// maxDummyTokens limits a vocabulary that is only a number.
	maxDummyTokens = 1 << 22
)

// tokenByte is the type of tokens that stand for a byte.
const tokenByte = 6

// tokenizer is what the engine assumes about a vocabulary before it reads the special tokens of the
// file.
type tokenizer struct {
	defaults       map[string]int64 // special tokens by key, if the engine has a default
	addBOS, addEOS bool
	trie           bool
	check          func(*vocabulary) error // what only this kind must satisfy
}

// tokenizers lists the values of tokenizer.ggml.model that the engine knows; it refuses others.
// "no_vocab" and "none" are models without a vocabulary.
var tokenizers = map[string]*tokenizer{
	"no_vocab": nil,
	"none":     nil,
	"llama":    {defaults: map[string]int64{"bos": 1, "eos": 2, "unknown": 0}, addBOS: true},
	"gpt2":     {defaults: map[string]int64{"bos": 11, "eos": 11}, check: checkMerges},
	"bert": {
		defaults: map[string]int64{"bos": 101, "unknown": 100, "seperator": 102, "padding": 0, "mask": 103},
		addBOS:   true,
		check:    checkWordPieces,
	},
	"t5":   {defaults: map[string]int64{"eos": 1, "unknown": 2, "padding": 0}, addEOS: true, trie: true, check: checkCharsmap},
	"rwkv": {trie: true, check: checkRWKV},
	"plamo2": {
		defaults: map[string]int64{"bos": 1, "eos": 2, "unknown": 0, "padding": 3},
		check:    checkPLaMo,
	},
}

// tokenizersV0_5 are those that only engines of v0.5.x know. "test" is for the engine's own tests.
var tokenizersV0_5 = map[string]*tokenizer{
	"gemma4":     {addBOS: true, check: checkMerges},
	"hybriddna":  {defaults: map[string]int64{"bos": 11, "eos": 11}, check: checkMerges},
	"whitespace": {defaults: map[string]int64{"bos": 11, "eos": 11}, check: checkMerges},
}

// tokenizer returns what the engine assumes for a value of tokenizer.ggml.model, and whether it knows
// it.
func (e Engine) tokenizer(model string) (kind *tokenizer, known bool) {
	if e >= EngineV0_5 {
		if kind, known = tokenizersV0_5[model]; known {
			return kind, known
		}
	}
	kind, known = tokenizers[model]
	return kind, known
}

// preTokenizersV0_5 are the values of tokenizer.ggml.pre that only engines of v0.5.x know. Values that
// no engine knows are left to the engine.
var preTokenizersV0_5 = map[string]bool{
	"cohere2moe": true, "exaone-moe": true, "f2llmv2": true, "gemma4": true, "granite-embed-multi-311m": true, "granite-embed-multi-97m": true,
	"hy_v4": true, "jais-2": true, "jina-v5-nano": true, "joyai-llm": true, "kanana2": true, "laguna": true, "mellum2": true, "minicpm5": true,
	"modern-bert": true, "qwen35": true, "sarvam-moe": true, "solar-open": true, "spark2_5": true, "talkie": true, "tiny_aya": true,
	"ufakzeka": true, "whitespace": true, "youtu": true,
}

// knowsPreTokenizer reports whether the engine knows a value of tokenizer.ggml.pre, or no engine does.
func (e Engine) knowsPreTokenizer(pre string) bool { return e >= EngineV0_5 || !preTokenizersV0_5[pre] }

// specialTokens are the keys of special tokens without "tokenizer.ggml." and "_token_id". The format
// spells "seperator" so; the engine does not read cls.
var specialTokens = []string{
	"bos", "eos", "eot", "eom", "unknown", "seperator", "padding", "mask", "cls",
	"fim_pre", "fim_suf", "fim_mid", "fim_pad", "fim_rep", "fim_sep",
	"prefix", "suffix", "middle",
}

// vocabulary is a vocabulary that is being checked.
type vocabulary struct {
	engine Engine
	ix     *gguf.Index
	warn   func(format string, args ...any)
	model  string
	kind   *tokenizer
	size   int
	tokens gguf.Value
	types  []int32 // nil if the file has none
}

// checkVocabulary returns an error for a vocabulary on which the engine would assert while loading or
// tokenising, and its number of tokens.
func (e Engine) checkVocabulary(ix *gguf.Index, warn func(format string, args ...any)) (size int, err error) {
	v := &vocabulary{engine: e, ix: ix, warn: warn}
	model, err := v.str("model")
	if err != nil {
		return 0, err
	}
	kind, known := e.tokenizer(model)
	if !known {
		return 0, v.unknownTokenizer(model)
	}
	v.model, v.kind = model, kind
	if err := v.checkTypes(); err != nil {
		return 0, err
	}
	if kind == nil {
		return v.dummySize()
	}
	for _, check := range []func() error{v.checkPreTokenizer, v.checkTokens, v.checkColumns, v.checkSpecial} {
		if err := check(); err != nil {
			return 0, err
		}
	}
	if kind.check != nil {
		if err := kind.check(v); err != nil {
			return 0, err
		}
	}
	return v.size, nil
}

// unknownTokenizer returns the error for a tokenizer that the engine does not know.
func (v *vocabulary) unknownTokenizer(model string) error {
	if _, known := EngineV0_5.tokenizer(model); known {
		return v.engine.unknown(v.ix.KeyError("tokenizer.ggml.model", ""), ErrUnsupportedTokenizer, model, func(other Engine) bool {
			_, known := other.tokenizer(model)
			return known
		})
	}
	return v.fail("model", words.Literal(model), "unknown tokenizer; known are llama, gpt2, bert, t5, rwkv, plamo2 and none")
}

// checkPreTokenizer returns an error for a splitting of texts that only another engine knows.
func (v *vocabulary) checkPreTokenizer() error {
	pre := v.preTokenizer()
	if v.model != "gpt2" || v.engine.knowsPreTokenizer(pre) {
		return nil
	}
	refused := v.ix.KeyError("tokenizer.ggml.pre", "")
	return v.engine.unknown(refused, ErrUnsupportedTokenizer, pre, func(other Engine) bool { return other.knowsPreTokenizer(pre) })
}

// vocabularyKeys are the types that the engine requires of keys that it reads for every tokenizer.
var vocabularyKeys = map[string]gguf.ValueType{
	"pre": gguf.ValueString, "token_type_count": gguf.ValueUint32,
	"add_bos_token": gguf.ValueBool, "add_eos_token": gguf.ValueBool, "add_sep_token": gguf.ValueBool,
	"add_space_prefix": gguf.ValueBool, "remove_extra_whitespaces": gguf.ValueBool,
}

func (v *vocabulary) checkTypes() error {
	for name, want := range vocabularyKeys {
		if err := checkKeyType(v.ix, "tokenizer.ggml."+name, want); err != nil {
			return err
		}
	}
	for _, name := range specialTokens {
		if err := checkKeyType(v.ix, "tokenizer.ggml."+name+"_token_id", gguf.ValueUint32); err != nil {
			return err
		}
	}
	return checkKeyType(v.ix, "tokenizer.chat_template", gguf.ValueString)
}

// dummySize returns the size of a vocabulary without tokens: the engine makes that many empty ones.
func (v *vocabulary) dummySize() (int, error) {
	key := v.ix.Architecture() + ".vocab_size"
	n, ok, err := lookupUint32(v.ix, key)
	if err != nil || !ok {
		return 0, err
	}
	if n > maxDummyTokens {
		return 0, valueError(v.ix, key, fmt.Sprint(n), fmt.Sprintf("more than %d tokens without a vocabulary", maxDummyTokens))
	}
	return int(n), nil
}

func (v *vocabulary) checkTokens() error {
	tokens, err := v.array("tokens", gguf.ValueString)
	if err != nil {
		return err
	}
	if tokens.Len() == 0 {
		return v.fail("tokens", "0", "the vocabulary is empty")
	}
	if int64(tokens.Len()) > math.MaxInt32 {
		return v.fail("tokens", fmt.Sprint(tokens.Len()), "more tokens than the engine can number")
	}
	v.tokens, v.size = tokens, tokens.Len()
	limit := maxTokenBytes
	switch {
	case v.model == "plamo2":
		limit = maxPLaMoTokenBytes
	case v.kind.trie:
		limit = maxTrieTokenBytes
	}
	// The engine maps texts to tokens and asserts that no two are equal.
	seen := make(map[string]int, v.size)
	for i, text := range v.texts() {
		if len(text) > limit {
			return v.failAt("tokens", i, fmt.Sprintf("%d bytes", len(text)), fmt.Sprintf("a token of a %s vocabulary may have at most %d", v.model, limit))
		}
		if first, dup := seen[text]; dup {
			return v.failAt("tokens", i, words.Literal(text), fmt.Sprintf("the same text as token %d", first))
		}
		seen[text] = i
	}
	return nil
}

// checkColumns checks the arrays parallel to the tokens: the engine reads as many numbers from them
// as there are tokens, whatever their length and type.
func (v *vocabulary) checkColumns() error {
	for _, c := range []struct {
		name string
		elem []gguf.ValueType
	}{
		{"scores", []gguf.ValueType{gguf.ValueFloat32}},
		{"token_type", []gguf.ValueType{gguf.ValueInt32, gguf.ValueUint32}},
	} {
		if _, ok := v.ix.Lookup("tokenizer.ggml." + c.name); !ok {
			continue
		}
		column, err := v.array(c.name, c.elem...)
		if err != nil {
			return err
		}
		if column.Len() != v.size {
			return v.fail(c.name, fmt.Sprintf("%d elements", column.Len()), fmt.Sprintf("the vocabulary has %d tokens", v.size))
		}
		if c.name == "token_type" {
			v.types = make([]int32, v.size)
			for i, t := range intsOf(column) {
				v.types[i] = int32(t)
			}
		}
	}
	return nil
}

// fimSlots are pairs of keys for the same id in the engine: the older one is read last and wins.
var fimSlots = map[string]string{"prefix": "fim_pre", "suffix": "fim_suf", "middle": "fim_mid"}

// checkSpecial checks the ids of special tokens, read or assumed. The engine ignores an id outside the
// vocabulary and keeps its default; published models rely on that, so it is a warning. A
// default outside is an error, as the engine looks it up.
func (v *vocabulary) checkSpecial() error {
	ids := map[string]int64{}
	for _, name := range specialTokens {
		if name == "cls" {
			continue
		}
		id, has := v.kind.defaults[name]
		switch {
		case v.model == "gpt2" && name == "bos" && v.chatGLM(), !has:
			id = noToken
		}
		if slot, ok := fimSlots[name]; ok {
			id = ids[slot]
		}
		key := "tokenizer.ggml." + name + "_token_id"
		n, ok, err := lookupUint32(v.ix, key)
		value, outside := "missing", false
		switch {
		case err != nil:
			return err
		case ok && int64(n) < int64(v.size):
			id = int64(n)
		case ok:
			value, outside = fmt.Sprint(n), true
		}
		if id >= int64(v.size) {
			return valueError(v.ix, key, value, fmt.Sprintf("the engine would assume %d, and the vocabulary has %d tokens", id, v.size))
		}
		if outside {
			v.warnOutside(key, n, id)
		}
		ids[name] = id
		if slot, ok := fimSlots[name]; ok {
			ids[slot] = id
		}
	}
	for _, add := range []struct {
		name   string
		always bool
	}{{"bos", v.kind.addBOS}, {"eos", v.kind.addEOS}} {
		key := "tokenizer.ggml.add_" + add.name + "_token"
		on := add.always
		if val, ok := v.ix.Lookup(key); ok {
			on, _ = val.Bool()
		}
		if add.name == "bos" && v.forcesBOS() {
			on = true
		}
		if on && ids[add.name] == noToken {
			return valueError(v.ix, key, "true", fmt.Sprintf("the vocabulary has no %s token; set tokenizer.ggml.%s_token_id", strings.ToUpper(add.name), add.name))
		}
	}
	return nil
}

// forcesBOS reports whether the engine adds a BOS token whatever the file says.
func (v *vocabulary) forcesBOS() bool {
	if v.engine < EngineV0_5 {
		return false
	}
	pre := v.preTokenizer()
	return v.model == "gemma4" || v.model != "llama" && (pre == "gemma4" || pre == "granite-embed-multi-311m")
}

// warnOutside warns of an id that no token has.
func (v *vocabulary) warnOutside(key string, id uint32, used int64) {
	instead := "the model has none of the kind, or the one of that name"
	if used != noToken {
		instead = fmt.Sprintf("token %d is taken instead", used)
	}
	value := fmt.Sprint(id)
	if id == math.MaxUint32 {
		value = "-1"
	}
	v.warn("key %s is %s, and the vocabulary has %d tokens: %s", words.Literal(key), value, v.size, instead)
}

// preTokenizer returns how texts are split, "" if the file does not say it.
func (v *vocabulary) preTokenizer() string {
	val, _ := v.ix.Lookup("tokenizer.ggml.pre")
	pre, _ := val.Str()
	return cString(pre)
}

// chatGLM reports whether the pre-tokenizer is one of the two for which the engine assumes no BOS
// token.
func (v *vocabulary) chatGLM() bool {
	pre := v.preTokenizer()
	return pre == "glm4" || pre == "chatglm-bpe"
}

// texts yields the tokens as the engine reads them: up to the first NUL, and with a made-up name if
// nothing is left.
func (v *vocabulary) texts() iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		for i, text := range stringsOf(v.tokens) {
			if text == "" {
				text = "[EMPTY_" + strconv.Itoa(i) + "]"
			}
			if !yield(i, text) {
				return
			}
		}
	}
}

// cString returns s up to the first NUL.
func cString(s string) string {
	if i := strings.IndexByte(s, 0); i >= 0 {
		return s[:i]
	}
	return s
}

func (v *vocabulary) str(name string) (string, error) {
	key := "tokenizer.ggml." + name
	val, ok := v.ix.Lookup(key)
	if !ok {
		return "", missingKey(v.ix, key)
	}
	s, ok := val.Str()
	if !ok {
		return "", checkKeyType(v.ix, key, gguf.ValueString)
	}
	return cString(s), nil
}

// array returns a required tokenizer array with one of the element types.
func (v *vocabulary) array(name string, elem ...gguf.ValueType) (gguf.Value, error) {
	key := "tokenizer.ggml." + name
	val, ok := v.ix.Lookup(key)
	if !ok {
		return gguf.Value{}, missingKey(v.ix, key)
	}
	return val, checkArray(v.ix, key, val, elem...)
}

func (v *vocabulary) fail(name, value, reason string) error {
	return valueError(v.ix, "tokenizer.ggml."+name, value, reason)
}

// failAt returns an error about one element of an array.
func (v *vocabulary) failAt(name string, i int, value, reason string) error {
	return valueError(v.ix, "tokenizer.ggml."+name, fmt.Sprintf("%s in element %d", value, i), reason)
}
