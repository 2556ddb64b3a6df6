package words_test

import (
	"testing"

	"github.com/seed7adf6694/infer/internal/words"
)

func TestQuoted(t *testing.T) {
	for s, want := range map[string]string{
		``:                       `""`,
		`C:\models\a model.gguf`: `"C:\models\a model.gguf"`,
		`\\server\share\模型.gguf`: `"\\server\share\模型.gguf"`,
		"a\nb\x1b[0m":            `"a\nb\x1b[0m"`,
		`say "x"`:                `"say \"x\""`,
		"\xff\u200e" + "\uFFFD":  `"\xff\u200e` + "\uFFFD" + `"`,
	} {
		if got := words.Quoted(s); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
