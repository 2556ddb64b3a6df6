package runtime

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/seed7adf6694/infer/llama"
)

// naiveDraft is a direct implementation of draft's comment.
func naiveDraft(text []llama.Token, most int) []llama.Token {
	for n := min(lookupLongest, len(text)); n >= lookupShortest; n-- {
		last := text[len(text)-n:]
		for from := len(text) - n - 1; from >= 0; from-- {
			if !slices.Equal(text[from:from+n], last) {
				continue
			}
			endless := slices.Clone(text)
			for i := range most {
				endless = append(endless, endless[from+n+i])
			}
			return endless[len(text):]
		}
	}
	return nil
}

func checkDrafts(t *testing.T, text []llama.Token, most int) {
	t.Helper()
	var l lookup
	half := len(text) / 2
	l.reset(text[half:]) // the text before a reset does not count
	l.reset(text[:half])
	for i, token := range text[half:] {
		if got, want := l.draft(nil, most), naiveDraft(text[:half+i], most); !slices.Equal(got, want) {
			t.Fatalf("after %v: draft %v, want %v", text[:half+i], got, want)
		}
		l.add(token)
	}
}

func TestADraftIsWhatFollowedTheLastTime(t *testing.T) {
	for _, tt := range []struct {
		name string
		text []llama.Token
		most int
		want []llama.Token
	}{
		{"nothing in an empty text", nil, 4, nil},
		{"nothing in a text that does not repeat", []llama.Token{1, 2, 3, 4, 5, 6}, 4, nil},
		{"nothing for a single token that repeats", []llama.Token{1, 2, 3, 1}, 4, nil},
		{"what followed two tokens", []llama.Token{1, 2, 3, 4, 5, 1, 2}, 3, []llama.Token{3, 4, 5}},
		{"no more than asked for", []llama.Token{1, 2, 3, 4, 5, 1, 2}, 1, []llama.Token{3}},
		{"nothing where nothing is asked for", []llama.Token{1, 2, 3, 4, 5, 1, 2}, 0, nil},
		{"the most recent of two places", []llama.Token{1, 2, 3, 9, 1, 2, 4, 9, 1, 2}, 1, []llama.Token{4}},
		{"the longer of two places, if older", []llama.Token{7, 1, 2, 3, 9, 8, 1, 2, 4, 9, 7, 1, 2}, 1, []llama.Token{3}},
		{"a period goes on", []llama.Token{5, 1, 2, 1, 2}, 5, []llama.Token{1, 2, 1, 2, 1}},
		{"a token that repeats goes on", []llama.Token{5, 1, 1, 1}, 3, []llama.Token{1, 1, 1}},
		{"past the end it begins with the text's own end", []llama.Token{1, 2, 3, 1, 2}, 4, []llama.Token{3, 1, 2, 3}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var l lookup
			l.reset(tt.text)
			if got := l.draft(nil, tt.most); !slices.Equal(got, tt.want) {
				t.Errorf("draft %v, want %v", got, tt.want)
			}
			if got := l.draft([]llama.Token{8, 9}, tt.most); !slices.Equal(got, append([]llama.Token{8, 9}, tt.want...)) {
				t.Errorf("appended: %v", got)
			}
		})
	}
}

func TestTheIndexFindsWhatASearchFinds(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		text := make([]llama.Token, r.IntN(80))
		kinds := 1 + r.IntN(6) // few, for many repetitions
		for i := range text {
			text[i] = llama.Token(r.IntN(kinds))
		}
		checkDrafts(t, text, r.IntN(12))
	}
}

func FuzzDraft(f *testing.F) {
	f.Add([]byte("abcabcabdabcabd"), 3)
	f.Add([]byte("\x00\x00\x00\x01\x00\x00"), 16)
	f.Fuzz(func(t *testing.T, text []byte, most int) {
		if len(text) > 200 || most < 0 || most > 64 {
			t.Skip()
		}
		tokens := make([]llama.Token, len(text))
		for i, b := range text {
			tokens[i] = llama.Token(b)
		}
		checkDrafts(t, tokens, most)
	})
}

func TestThePaceFollowsTheSuccessOfDrafts(t *testing.T) {
	for _, tt := range []struct {
		name                    string
		before                  pace
		drafted, accepted, most int
		want                    pace
	}{
		{"all came true", pace{length: 3}, 3, 3, 15, pace{length: 7}},
		{"all of a draft that was cut short came true", pace{length: 7}, 2, 2, 15, pace{length: 15}},
		{"no more than the most", pace{length: 15}, 15, 15, 15, pace{length: 15}},
		{"some came true", pace{length: 15, pause: 7}, 15, 4, 15, pace{length: 7}},
		{"nothing came true", pace{length: 7}, 7, 0, 15, pace{3, 1, 1}},
		{"nothing came true again", pace{length: 3, pause: 1}, 3, 0, 15, pace{3, 3, 3}},
		{"nothing ever came true", pace{length: 3, pause: 31}, 3, 0, 15, pace{3, 31, 31}},
		{"a most that is less than a short draft", pace{length: 2}, 2, 0, 2, pace{2, 1, 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.before.after(tt.drafted, tt.accepted, tt.most); got != tt.want {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
		})
	}
}
