package server

import (
	"reflect"
	"strings"
	"testing"
)

// pieces reads tokens that are separated by |; control tokens are in angle brackets.
func pieces(s string) (list []piece) {
	for _, t := range strings.Split(s, "|") {
		list = append(list, piece{t, strings.HasPrefix(t, "<") && strings.HasSuffix(t, ">")})
	}
	return list
}

func TestTokensHaveTheirPlacesInTheText(t *testing.T) {
	for _, tt := range []struct {
		name, text, pieces string
		want               []int
	}{
		{"pieces add up to the text", "The dog ran", "The| dog| ran", []int{0, 3, 7}},
		{"a token in front and a space before the text", "The dog", "<s>| The| dog", []int{0, 0, 3}},
		{"the text begins with a space", " The", "<s>|  |The", []int{0, 0, 1}},
		{"the space before the text is in a token of spaces", "  The dog", "<s>|  | The| dog", []int{0, 0, 1, 5}},
		{"three spaces in a token of their own", "   The", "<s>|    |The", []int{0, 0, 3}},
		{"the text has the token in front", "<s> The", "<s>| The", []int{0, 3}},
		{"a space behind a control token", "Hi<end>The dog", "<s>| Hi|<end>| The| dog", []int{0, 0, 2, 7, 10}},
		{"spaces behind a control token and one more", "Hi<end>  The", "<s>| Hi|<end>|  | The", []int{0, 0, 2, 7, 8}},
		{"a control token takes the space around it", "Hi <end>\n The", "Hi|<end>|The", []int{0, 3, 10}},
		{"a token at the end", "Hi", "<s>| Hi|</s>", []int{0, 0, 2}},
		{"bytes of a character have its place", "a日b", "a|\xe6|\x97|\xa5|b", []int{0, 1, 1, 1, 2}},
		{"an emoji is a character", "\U0001F600 dogs", "<s>| |\xf0\x9f|\x98\x80| dogs", []int{0, 0, 0, 0, 1}},
		{"a character that the vocabulary lacks", "The 日 dog ran", "The| |<unk>| dog| ran", []int{0, 3, 4, 5, 9}},
		{"all is lacking", "日本", "<unk>", []int{0}},
		{"spaces alone", "  ", "<s>|   ", []int{0, 0}},
		{"no text", "", "<s>", []int{0}},
		{"an invalid byte is a character", "a\xffb", "a|\xff|b", []int{0, 1, 2}},
	} {
		if got, length := places(tt.text, pieces(tt.pieces)); !reflect.DeepEqual(got, tt.want) || length != len([]rune(tt.text)) {
			t.Errorf("%s: %v of %d, want %v", tt.name, got, length, tt.want)
		}
	}
}

// Offsets are within the text, and do not go back, whatever the pieces are.
func FuzzPlaces(f *testing.F) {
	f.Add("  The 日 dog", "<s>|  | The|\xe6|\x97\xa5| dog")
	f.Add("a\xffb", "b|a| |")
	f.Fuzz(func(t *testing.T, text, tokens string) {
		list := pieces(tokens)
		got, length := places(text, list)
		if len(got) != len(list) || length != len([]rune(text)) {
			t.Fatalf("%v of %d", got, length)
		}
		last := 0
		for _, o := range got {
			if o < last || o > length {
				t.Errorf("%v of %d", got, length)
			}
			last = o
		}
	})
}

func TestGeneratedTokensHaveTheirPlacesInTheText(t *testing.T) {
	var g generated
	for _, p := range []string{"a", "\xe6", "\x97\xa5", "b"} { // 日 comes with its last byte
		g.add(logprob{alternative: alternative{Token: p}}, false)
	}
	g.add(logprob{alternative: alternative{Token: "<end>"}}, true)
	if list, offsets := g.take("a", false); len(list) != 1 || !reflect.DeepEqual(offsets, []int{0}) {
		t.Errorf("%v, %v", list, offsets)
	}
	if list, offsets := g.take("日", false); len(list) != 2 || !reflect.DeepEqual(offsets, []int{1, 1}) {
		t.Errorf("%v, %v", list, offsets)
	}
	if list, offsets := g.take("", true); len(list) != 2 || !reflect.DeepEqual(offsets, []int{2, 2}) { // "b" was cut off
		t.Errorf("%v, %v", list, offsets)
	}
}
