//go:build cgo

package llama_test

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader/gguf"
)

// texts are texts of which a tokeniser must keep every byte, and on which it must not fail.
var texts = []string{
	"Once upon a time, there lived a little boy called Remy.", "", " ", "   ", " two  spaces ", "a\nb\tc\r\n", "ümläut ß 你好 😀", "a\x00b\x00", "\x00",
	"\xff\xfe", "half \xe2\x82", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf7\xbf\xbf\xbf", "\xc0\x80", "</s", "<0x41>", "▁", "\u2028\ufeff\ufffd",
	strings.Repeat("a", 100_000), strings.Repeat(" ", 10_000), strings.Repeat("é", 10_000), strings.Repeat("word ", 20_000),
}

// untouched is a text that takes addresses but no memory, and must not be read.
func untouched(t *testing.T, n int) string {
	t.Helper()
	b, release, err := memtest.Addresses(n)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { check(t, release()) })
	return unsafe.String(&b[0], n)
}

func TestTextsComeBackFromTokens(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{VocabOnly: true})
	for _, text := range texts {
		if strings.Contains(text, "▁") {
			continue // that is how this vocabulary writes a space
		}
		t.Run(fmt.Sprintf("%.30q", text), func(t *testing.T) {
			tokens, err := m.Tokenize(text, false, false)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := m.Detokenize(tokens, false, false); err != nil || got != text {
				t.Errorf("came back as %.50q, %v", got, err)
			}
			// The pieces are the text behind the space that this vocabulary puts before it.
			var pieces []byte
			for _, token := range tokens {
				if pieces, err = m.AppendPiece(pieces, token, false); err != nil {
					t.Fatal(err)
				}
			}
			if text != "" && string(pieces) != " "+text {
				t.Errorf("the pieces are %.50q", pieces)
			}
			special, err := m.Tokenize(text, true, false)
			if err != nil || !slices.Equal(special, append([]llama.Token{1}, tokens...)) {
				t.Errorf("with what begins a text: %.20v, %v", special, err)
			}
			// llama.cpp does not take the space away behind the token that begins a text.
			if got, err := m.Detokenize(special, true, false); err != nil || strings.TrimPrefix(got, " ") != strings.TrimPrefix(text, " ") && got != " "+text {
				t.Errorf("came back as %.50q, %v", got, err)
			}
		})
	}
}

// A text is tokenized in parts where it has many characters that no token has: the engine's tokenizer alone
// takes minutes for the last one.
func TestTextsOfUnknownCharacters(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{VocabOnly: true})
	for _, text := range []string{
		strings.Repeat("ÿ", 5000), "Once upon a time " + strings.Repeat("ÿ", 3000) + " two " + strings.Repeat("é😀", 900) + "x",
		strings.Repeat("Once ÿ😀\n ÿ upon</s>ÿÿÿ a<s> time", 500), strings.Repeat("\nÿ ", 3000), strings.Repeat("▁ÿÿ", 2000),
	} {
		for _, special := range []bool{false, true} {
			got, err := m.Tokenize(text, special, special)
			if err != nil {
				t.Fatal(err)
			}
			whole, err := m.Tokenize(text+"\xff", special, special) // which is no UTF-8, and no text in parts
			if err != nil || !slices.Equal(got, whole[:len(whole)-1]) {
				t.Errorf("%.30q, %v: %d tokens in parts, %d in one, %v", text, special, len(got), len(whole)-1, err)
			}
		}
	}
	if tokens, err := m.Tokenize(strings.Repeat("ÿ", 300_000), false, false); err != nil || len(tokens) != 600_001 {
		t.Errorf("%d tokens, %v", len(tokens), err)
	}
}

func TestSpecialTokensInTexts(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{VocabOnly: true})
	for _, tt := range []struct {
		name       string
		text       string
		add, parse bool
		want       []llama.Token
	}{
		{"nothing begins with a special token", "", true, false, []llama.Token{1}},
		{"and without one is nothing", "", false, false, nil},
		{"names are text unless they are to be parsed", "</s>", false, false, []llama.Token{318, 63, 50, 310, 65}},
		{"or tokens", "</s>", false, true, []llama.Token{2}},
		{"both at once", "<s></s>", true, true, []llama.Token{1, 1, 2}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := m.Tokenize(tt.text, tt.add, tt.parse); err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("got %v, %v, want %v", got, err, tt.want)
			}
		})
	}
	tokens := []llama.Token{1, 325, 2}
	for _, tt := range []struct {
		name            string
		remove, unparse bool
		want            string
	}{
		{"special tokens have no text", false, false, " the"},
		{"but a name", false, true, "<s> the</s>"},
		{"and that which Tokenize adds can be left out", true, true, " the</s>"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := m.Detokenize(tokens, tt.remove, tt.unparse); err != nil || got != tt.want {
				t.Errorf("got %q, %v, want %q", got, err, tt.want)
			}
		})
	}
}

func TestWhatTheVocabularyIs(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{VocabOnly: true})
	if n, err := m.VocabSize(); n != tinyVocab || err != nil {
		t.Errorf("%d tokens, %v", n, err)
	}
	if kind, err := m.VocabType(); kind != "spm" || err != nil {
		t.Errorf("kind %q, %v", kind, err)
	}
	if ends, err := m.EOGs(); !slices.Equal(ends, []llama.Token{2}) || err != nil {
		t.Errorf("ends of a generation %v, %v", ends, err)
	}
	none := llama.NullToken
	want := llama.SpecialTokens{BOS: 1, EOS: 2, EOT: none, SEP: none, NL: 13, PAD: none, Mask: none,
		FIMPre: none, FIMSuf: none, FIMMid: none, FIMPad: none, FIMRep: none, FIMSep: none, AddBOS: true}
	if got, err := m.SpecialTokens(); got != want || err != nil {
		t.Errorf("special tokens %+v, %v", got, err)
	}
	for token, want := range map[llama.Token]llama.TokenInfo{
		0:   {Text: "<unk>", Attr: llama.AttrUnknown},
		1:   {Text: "<s>", Attr: llama.AttrControl, Control: true},
		2:   {Text: "</s>", Attr: llama.AttrControl, Control: true, EOG: true},
		3:   {Text: "<0x00>", Attr: llama.AttrByte},
		325: {Text: "▁the", Score: -6, Attr: llama.AttrNormal},
	} {
		if got, err := m.TokenInfo(token); got != want || err != nil {
			t.Errorf("token %d is %+v, %v, want %+v", token, got, err, want)
		}
	}
}

func TestTokensOutsideTheVocabulary(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{VocabOnly: true})
	for _, token := range []llama.Token{-1, math.MinInt32, tinyVocab, math.MaxInt32} {
		dst := []byte("kept")
		got, err := m.AppendPiece(dst, token, true)
		if !errors.Is(err, llama.ErrArgument) || string(got) != "kept" {
			t.Errorf("piece of %d: %q, %v", token, got, err)
		}
		if _, err := m.TokenInfo(token); !errors.Is(err, llama.ErrArgument) {
			t.Errorf("info of %d: %v", token, err)
		}
		if text, err := m.Detokenize([]llama.Token{5, token}, false, false); !errors.Is(err, llama.ErrArgument) || text != "" {
			t.Errorf("text of %d: %q, %v", token, text, err)
		}
	}
	if _, err := m.Tokenize(untouched(t, 1<<29+1), false, false); !errors.Is(err, llama.ErrArgument) {
		t.Errorf("a text of over 512 MiB: %v", err)
	}
	m.Close()
	_, tokenize := m.Tokenize("a", false, false)
	_, detokenize := m.Detokenize([]llama.Token{5}, false, false)
	_, piece := m.AppendPiece(nil, 5, false)
	_, info := m.TokenInfo(5)
	_, ends := m.EOGs()
	_, special := m.SpecialTokens()
	_, size := m.VocabSize()
	for name, err := range map[string]error{"tokenize": tokenize, "detokenize": detokenize, "piece": piece, "info": info, "ends": ends, "special": special, "size": size} {
		if !errors.Is(err, llama.ErrClosed) {
			t.Errorf("%s of a closed model: %v", name, err)
		}
	}
}

func TestPiecesDoNotAllocate(t *testing.T) {
	if memtest.Race {
		t.Skip("the race detector has pools forget at random")
	}
	m := load(t, tinyF16, llama.ModelParams{VocabOnly: true})
	dst := make([]byte, 0, 128)
	n := testing.AllocsPerRun(200, func() {
		dst = dst[:0]
		for _, token := range []llama.Token{2, 3, 325, 1500} {
			var err error
			if dst, err = m.AppendPiece(dst, token, true); err != nil {
				t.Fatal(err)
			}
		}
	})
	// The garbage collector may empty the pool of buffers.
	if n >= 1 {
		t.Errorf("%g allocations for four tokens", n)
	}
}

func TestAVocabularyAloneTokenisesAndDoesNotDecode(t *testing.T) {
	whole := load(t, tinyF16, llama.ModelParams{MMap: true})
	m := load(t, tinyF16, llama.ModelParams{VocabOnly: true})
	for _, text := range texts {
		a, errA := whole.Tokenize(text, true, true)
		b, errB := m.Tokenize(text, true, true)
		if errA != nil || errB != nil || !slices.Equal(a, b) {
			t.Errorf("%.20q: %.20v, %v and %.20v, %v", text, a, errA, b, errB)
		}
	}
	if c, err := m.NewContext(llama.ContextParams{}); !errors.Is(err, llama.ErrArgument) {
		t.Errorf("a context: %v, %v", c, err)
	}
	if name, ok, err := m.Metadata("general.name"); name != "tiny-stories" || !ok || err != nil {
		t.Errorf("name %q, %v, %v", name, ok, err)
	}
}

// vocabularyFile writes a file with a vocabulary and nothing else.
func vocabularyFile(t *testing.T, kind string, tokens []string, types []int32, more func(*gguf.Writer)) string {
	t.Helper()
	var w gguf.Writer
	w.Add("general.architecture", gguf.StringValue("llama"))
	w.Add("tokenizer.ggml.model", gguf.StringValue(kind))
	w.Add("tokenizer.ggml.tokens", gguf.StringsValue(tokens))
	if types != nil {
		w.Add("tokenizer.ggml.token_type", gguf.Int32sValue(types))
	}
	if more != nil {
		more(&w)
	}
	path := filepath.Join(t.TempDir(), kind+".gguf")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.WriteHeader(f); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	ix, err := openIndex(path) // nothing reaches the engine unchecked
	if err != nil {
		t.Fatal(err)
	}
	ix.Close()
	return path
}

// loadVocabulary also makes sure that no text of texts is too much for it.
func loadVocabulary(t *testing.T, path string) *llama.Model {
	t.Helper()
	m := load(t, path, llama.ModelParams{VocabOnly: true})
	n, err := m.VocabSize()
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range texts {
		for _, add := range []bool{false, true} {
			tokens, err := m.Tokenize(text, add, true)
			if err != nil {
				t.Errorf("%.20q: %v", text, err)
				continue
			}
			for _, token := range tokens {
				if token < 0 || int(token) >= n {
					t.Errorf("%.20q: token %d of %d", text, token, n)
					break
				}
			}
			if _, err := m.Detokenize(tokens, add, true); err != nil {
				t.Errorf("%.20q: %v", text, err)
			}
		}
	}
	return m
}

// byteText is how byte-pair vocabularies write a byte.
func byteText(b byte) string {
	if b >= '!' && b <= '~' || b >= 0xA1 && b <= 0xAC || b >= 0xAE {
		return string(rune(b))
	}
	n := rune(0)
	for c := range int(b) {
		if !(c >= '!' && c <= '~' || c >= 0xA1 && c <= 0xAC || c >= 0xAE) {
			n++
		}
	}
	return string(256 + n)
}

func TestBytePairs(t *testing.T) {
	var tokens []string
	var types []int32
	for b := range 256 {
		tokens, types = append(tokens, byteText(byte(b))), append(types, 1)
	}
	for _, merged := range []string{"th", "the", "Ġthe", "Ġt", "12"} { // 256 on
		tokens, types = append(tokens, merged), append(types, 1)
	}
	tokens, types = append(tokens, "<|end|>"), append(types, 3) // 261
	for _, pre := range []string{"gpt-2", "llama-bpe", "qwen2"} {
		t.Run(pre, func(t *testing.T) {
			path := vocabularyFile(t, "gpt2", tokens, types, func(w *gguf.Writer) {
				w.Add("tokenizer.ggml.pre", gguf.StringValue(pre))
				w.Add("tokenizer.ggml.merges", gguf.StringsValue([]string{"t h", "th e", "Ġ t", "Ġt h", "Ġ the", "1 2"}))
				w.Add("tokenizer.ggml.bos_token_id", gguf.Uint32Value(261))
				w.Add("tokenizer.ggml.eos_token_id", gguf.Uint32Value(261))
			})
			m := loadVocabulary(t, path)
			if kind, err := m.VocabType(); kind != "bpe" || err != nil {
				t.Errorf("kind %q, %v", kind, err)
			}
			for _, tt := range []struct {
				text string
				want []llama.Token
			}{
				{"the", []llama.Token{257}},
				{"a the", []llama.Token{'a', 258}},
				{"hat", []llama.Token{'h', 'a', 't'}},
				{"ht the<|end|>", []llama.Token{'h', 't', 258, 261}},
				{"é", []llama.Token{0xC3, 0xA9}},
			} {
				if got, err := m.Tokenize(tt.text, false, true); err != nil || !slices.Equal(got, tt.want) {
					t.Errorf("%q is %v, %v, want %v", tt.text, got, err, tt.want)
				}
			}
			for _, text := range texts {
				if strings.ToValidUTF8(text, "") != text || strings.Contains(text, " .") {
					continue
				}
				tokens, err := m.Tokenize(text, false, false)
				if err != nil {
					t.Fatal(err)
				}
				if got, err := m.Detokenize(tokens, false, false); err != nil || got != text {
					t.Errorf("%.30q came back as %.30q, %v", text, got, err)
				}
			}
			if ends, err := m.EOGs(); !slices.Equal(ends, []llama.Token{261}) || err != nil {
				t.Errorf("ends of a generation %v, %v", ends, err)
			}
			// Where the words come from regular expressions, the engine recurses on each.
			_, err := m.Tokenize(strings.Repeat("a", 1<<17+1), false, false)
			if recursive := pre == "qwen2"; errors.Is(err, llama.ErrArgument) != recursive || !recursive && err != nil {
				t.Errorf("a word of 131073 letters: %v", err)
			}
		})
	}
}

func TestWordPieces(t *testing.T) {
	tokens := []string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "▁the", "▁un", "able", "▁a", "b", "▁.", "▁你"}
	types := []int32{3, 3, 3, 3, 3, 1, 1, 1, 1, 1, 1, 1}
	ids := func(w *gguf.Writer) {
		for key, id := range map[string]uint32{"padding": 0, "unknown": 1, "bos": 2, "seperator": 3, "mask": 4} {
			w.Add("tokenizer.ggml."+key+"_token_id", gguf.Uint32Value(id))
		}
	}
	m := loadVocabulary(t, vocabularyFile(t, "bert", tokens, types, ids))
	if kind, err := m.VocabType(); kind != "wpm" || err != nil {
		t.Errorf("kind %q, %v", kind, err)
	}
	for _, tt := range []struct {
		text string
		add  bool
		want []llama.Token
	}{
		{"the unable ab", false, []llama.Token{5, 6, 7, 8, 9}},
		{"THE.", false, []llama.Token{5, 10}},
		{"the xyz the", false, []llama.Token{5, 1, 5}},
		{"the你the", false, []llama.Token{5, 11, 5}},
		{"the", true, []llama.Token{2, 5, 3}},
		{"", true, []llama.Token{2, 3}},
	} {
		if got, err := m.Tokenize(tt.text, tt.add, false); err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%q is %v, %v, want %v", tt.text, got, err, tt.want)
		}
	}
	if s, err := m.SpecialTokens(); err != nil || s.SEP != 3 || s.BOS != 2 || !s.AddSEP {
		t.Errorf("special tokens %+v, %v", s, err)
	}
}

func TestOtherVocabularies(t *testing.T) {
	pieces := []string{"<pad>", "</s>", "<unk>", "▁", "a", "b", "▁ab", "<extra>"}
	for _, tt := range []struct {
		name, model, kind string
		tokens            []string
		types             []int32
		more              func(*gguf.Writer)
		text              string
		add               bool
		want              []llama.Token
	}{
		{"unigrams", "t5", "ugm", pieces, []int32{3, 3, 2, 1, 1, 1, 1, 4}, func(w *gguf.Writer) {
			w.Add("tokenizer.ggml.scores", gguf.Float32sValue([]float32{0, 0, 0, -2, -3, -3, -4, 0}))
			w.Add("tokenizer.ggml.add_space_prefix", gguf.BoolValue(true))
		}, "ab a?<extra>", true, []llama.Token{6, 3, 4, 2, 7, 1}},
		{"rwkv", "rwkv", "rwkv", []string{"<s>", "a", "b", "ab", `\n`, `\x00`, " ", `\xc3`, "<"}, []int32{3, 1, 1, 1, 1, 1, 1, 1, 1}, func(w *gguf.Writer) {
			w.Add("tokenizer.ggml.unknown_token_id", gguf.Uint32Value(0))
		}, "aab\n?", false, []llama.Token{1, 3, 4, 0}},
		{"pieces without bytes", "llama", "spm", []string{"<unk>", "<s>", "</s>", "▁", "a"}, []int32{2, 3, 3, 1, 1}, func(w *gguf.Writer) {
			w.Add("tokenizer.ggml.scores", gguf.Float32sValue([]float32{0, 0, 0, -1, -2}))
		}, "aa", true, []llama.Token{1, 3, 4, 4}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := vocabularyFile(t, tt.model, tt.tokens, tt.types, tt.more)
			var m *llama.Model
			if tt.kind == "spm" {
				m = load(t, path, llama.ModelParams{VocabOnly: true})
			} else {
				m = loadVocabulary(t, path)
			}
			if kind, err := m.VocabType(); kind != tt.kind || err != nil {
				t.Errorf("kind %q, %v", kind, err)
			}
			if got, err := m.Tokenize(tt.text, tt.add, true); err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("%q is %v, %v, want %v", tt.text, got, err, tt.want)
			}
			var e *llama.Error
			if got, err := m.Tokenize("?", false, false); tt.kind == "spm" && (!errors.As(err, &e) || !errors.Is(err, llama.ErrArgument) || e.Call != "llama_tokenize") {
				t.Errorf("a text that cannot be written: %v, %v", got, err)
			}
		})
	}
	t.Run("no vocabulary at all", func(t *testing.T) {
		var w gguf.Writer
		w.Add("general.architecture", gguf.StringValue("llama"))
		w.Add("tokenizer.ggml.model", gguf.StringValue("no_vocab"))
		w.Add("llama.vocab_size", gguf.Uint32Value(10))
		path := filepath.Join(t.TempDir(), "none.gguf")
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.WriteHeader(f); err != nil {
			t.Fatal(err)
		}
		f.Close()
		m := load(t, path, llama.ModelParams{VocabOnly: true})
		if n, err := m.VocabSize(); n != 10 || err != nil {
			t.Errorf("%d tokens, %v", n, err)
		}
		_, tokenize := m.Tokenize("a", false, false)
		_, detokenize := m.Detokenize([]llama.Token{5}, false, false)
		_, piece := m.AppendPiece(nil, 5, false)
		_, info := m.TokenInfo(5)
		for name, err := range map[string]error{"tokenize": tokenize, "detokenize": detokenize, "piece": piece, "info": info} {
			if !errors.Is(err, llama.ErrArgument) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
