package main

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/runtime"
)

func TestTokensAsText(t *testing.T) {
	for _, tt := range []struct {
		name   string
		prompt string
		tokens []string
		want   string
	}{
		{"a newline ends the last line", "", []string{"a", "", " b"}, "a b\n"},
		{"a newline that is there is enough", "", []string{"a", "\n"}, "a\n"},
		{"the prompt comes first", "Once", []string{" upon"}, "Once upon\n"},
		{"nothing is nothing", "", []string{"", ""}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b strings.Builder
			w := newTokenWriter(&b, false)
			err := w.prompt(tt.prompt)
			for i, s := range tt.tokens {
				err = errors.Join(err, w.token(runtime.Token{ID: int32(i), Text: s}))
			}
			if err = errors.Join(err, w.finish()); err != nil || b.String() != tt.want {
				t.Errorf("%q, %v", b.String(), err)
			}
		})
	}
}

func TestTokensAsJSON(t *testing.T) {
	var b strings.Builder
	w := newTokenWriter(&b, true)
	if err := errors.Join(
		w.prompt("<a> \xff"), w.token(runtime.Token{ID: 7, Text: "\"\n\x1b"}), w.token(runtime.Token{ID: 8}),
		w.token(runtime.Token{ID: -1}), w.token(runtime.Token{ID: -1, Text: "rest\u009b\U000e0041"}), w.finish(),
	); err != nil {
		t.Fatal(err)
	}
	want := `{"prompt":"<a> \ufffd"}` + "\n" + `{"token":7,"text":"\"\n\u001b"}` + "\n" + `{"token":8,"text":""}` + "\n" + `{"token":-1,"text":"rest\u009b\udb40\udc41"}` + "\n"
	if b.String() != want {
		t.Errorf("%s\nwant\n%s", b.String(), want)
	}
	for line := range strings.Lines(b.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("%q", line)
		}
	}
}

func TestFiguresAreOneLineOfAllThatIsAskedFor(t *testing.T) {
	s := stats{
		model: runtime.Report{
			LoadDuration: 123 * time.Millisecond, LoadMode: runtime.LoadMMap, LoadReason: "as\nasked", WeightBytes: 600 << 20, Chunks: 3,
			LargestAllocation: 256 << 20, PeakAnon: 9 << 20, PeakFile: 601 << 20,
		},
		session: runtime.Stats{
			FlashAttention: llama.FlashOff, PromptTokens: 1, PromptDuration: 10125 * time.Microsecond,
			GeneratedTokens: 64, GenerateDuration: 1748 * time.Millisecond,
		},
		finish: runtime.FinishContext,
	}
	want := "infer: loaded 600 MiB in 0.12 s (mmap: as; asked); 3 chunks, largest allocation 256 MiB; flash attention off; prompt 1 token at 98.8/s; " +
		"generated 64 tokens at 36.0/s, context full; peak memory 9.0 MiB anonymous + 601 MiB file-backed"
	if got := s.figures(); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}
