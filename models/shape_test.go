package models

import (
	"errors"
	"strings"
	"testing"
)

func TestParseShape(t *testing.T) {
	oneB := Shape{Layers: 22, Width: 2048, Heads: 32, KVHeads: 4, FFN: 5632, Vocab: 32000, Context: 2048}
	with := func(s Shape, change func(*Shape)) Shape {
		change(&s)
		return s
	}
	for _, c := range []struct {
		name, text string
		want       Shape
		err        *ShapeError // with figures and names of the reason, between |
	}{
		{name: "a name", text: "1b", want: oneB},
		{name: "keys and values", text: "layers=22,width=2048,heads=32,kv_heads=4,ffn=5632,vocab=32000", want: oneB},
		{name: "space around keys and values does not matter", text: " layers = 22 , width=2048,heads=32,kv_heads=4, ffn=5632", want: oneB},
		{name: "a name with a change", text: "1b,layers=4,context=128", want: with(oneB, func(s *Shape) { s.Layers, s.Context = 4, 128 })},
		{name: "the rest has defaults", text: "layers=2,width=64,heads=4", want: Shape{Layers: 2, Width: 64, Heads: 4, KVHeads: 4, FFN: 256, Vocab: 32000, Context: 2048}},
		{name: "experts", text: "layers=2,width=64,heads=4,experts=8,experts_used=3", want: Shape{Layers: 2, Width: 64, Heads: 4, KVHeads: 4, FFN: 256, Vocab: 32000, Context: 2048, Experts: 8, ExpertsUsed: 3}},
		{name: "two experts are used by default", text: "layers=2,width=64,heads=4,experts=4", want: Shape{Layers: 2, Width: 64, Heads: 4, KVHeads: 4, FFN: 256, Vocab: 32000, Context: 2048, Experts: 4, ExpertsUsed: 2}},
		{name: "half of the experts take most of the choices", text: "test-moe,experts=16,experts_skew=0.8", want: Shape{Layers: 2, Width: 256, Heads: 4, KVHeads: 2, FFN: 256, Vocab: 512, Context: 512, Experts: 16, ExpertsUsed: 2, ExpertsSkew: 0.8}},
		{name: "a model with experts is made one without", text: "test-moe,experts=0,experts_used=0", want: Shape{Layers: 2, Width: 256, Heads: 4, KVHeads: 2, FFN: 256, Vocab: 512, Context: 512}},

		{name: "nothing", text: "", err: &ShapeError{"", "", "1b"}},
		{name: "an unknown name lists the names", text: "zebra", err: &ShapeError{"", "zebra", "test|1b|8b"}},
		{name: "a typing error in a name is spotted", text: "1B", err: &ShapeError{"", "1B", " 1b?"}},
		{name: "an unknown key lists the keys", text: "layers=2,zebra=4", err: &ShapeError{"zebra", "", "layers, width, heads, kv_heads, ffn, vocab, context, experts, experts_used"}},
		{name: "a typing error in a key is spotted", text: "layer=2", err: &ShapeError{"layer", "", " layers?"}},
		{name: "a dash for the underscore is spotted", text: "kv-heads=2", err: &ShapeError{"kv-heads", "", " kv_heads?"}},
		{name: "a key given twice", text: "layers=2,layers=3", err: &ShapeError{"layers", "3", "twice"}},
		{name: "a name after keys", text: "layers=2,1b", err: &ShapeError{"", "1b", "first"}},
		{name: "a key without a value", text: "1b,layers", err: &ShapeError{"", "layers", "key=value"}},
		{name: "a value that is no number", text: "layers=two", err: &ShapeError{"layers", "two", "from 1 to"}},
		{name: "a negative value", text: "layers=-2", err: &ShapeError{"layers", "-2", "from 1 to"}},
		{name: "zero", text: "1b,layers=0", err: &ShapeError{"layers", "0", "from 1 to"}},
		{name: "a value beyond all measure", text: "layers=99999999999999999999", err: &ShapeError{"layers", "99999999999999999999", "from 1 to 2147483647"}},
		{name: "no layers", text: "width=64,heads=4", err: &ShapeError{"layers", "", ""}},
		{name: "no width", text: "layers=2,heads=4", err: &ShapeError{"width", "", ""}},
		{name: "no heads", text: "layers=2,width=64", err: &ShapeError{"heads", "", ""}},
		{name: "too many layers", text: "1b,layers=513", err: &ShapeError{"layers", "513", "from 1 to 512"}},
		{name: "a width that the heads do not divide", text: "1b,heads=48,kv_heads=4", err: &ShapeError{"width", "2048", "heads 48"}},
		{name: "heads of an odd size", text: "layers=1,width=96,heads=32", err: &ShapeError{"width", "96", "heads 32 is 3"}},
		{name: "more heads than values", text: "layers=1,width=64,heads=128", err: &ShapeError{"heads", "128", "from 1 to 64"}},
		{name: "heads that the key heads do not divide", text: "1b,kv_heads=5", err: &ShapeError{"heads", "32", "kv_heads 5"}},
		{name: "more key heads than heads", text: "1b,kv_heads=64", err: &ShapeError{"kv_heads", "64", "from 1 to 32"}},
		{name: "too few tokens for the bytes", text: "1b,vocab=258", err: &ShapeError{"vocab", "258", "259"}},
		{name: "too many tokens", text: "1b,vocab=2000000", err: &ShapeError{"vocab", "2000000", ""}},
		{name: "more experts used than there are", text: "1b,experts=2,experts_used=3", err: &ShapeError{"experts_used", "3", "from 1 to 2"}},
		{name: "a single expert", text: "1b,experts=1", err: &ShapeError{"experts", "1", "from 2 to"}},
		{name: "another architecture", text: "test-moe,arch=qwen3moe,head_size=32", want: Shape{Arch: "qwen3moe", Layers: 2, Width: 256, Heads: 4, HeadSize: 32, KVHeads: 2, FFN: 256, Vocab: 512, Context: 512, Experts: 4, ExpertsUsed: 2}},
		{name: "llama is the default", text: "arch=llama,1b", err: &ShapeError{"", "1b", "first"}},
		{name: "llama is what no architecture stands for", text: "1b,arch=llama", want: oneB},
		{name: "heads that are set need not divide the width", text: "layers=2,width=96,heads=5,head_size=64", want: Shape{Layers: 2, Width: 96, Heads: 5, HeadSize: 64, KVHeads: 5, FFN: 256, Vocab: 32000, Context: 2048}},
		{name: "a window by default", text: "test-moe,arch=gpt-oss", want: Shape{Arch: "gpt-oss", Layers: 2, Width: 256, Heads: 4, KVHeads: 2, FFN: 256, Vocab: 512, Context: 512, Window: 128, Experts: 4, ExpertsUsed: 2}},

		{name: "an unknown architecture", text: "test-moe,arch=qwen3-moe", err: &ShapeError{"arch", "qwen3-moe", " qwen3moe?|llama, qwen3moe, gpt-oss, granitehybrid"}},
		{name: "no architecture", text: "test-moe,arch=", err: &ShapeError{"arch", "", "gpt-oss"}},
		{name: "a dense gpt-oss", text: "1b,arch=gpt-oss", err: &ShapeError{"experts", "0", "gpt-oss"}},
		{name: "a dense qwen3moe", text: "1b,arch=qwen3moe", err: &ShapeError{"experts", "0", "qwen3moe"}},
		{name: "a window where there is none", text: "1b,window=64", err: &ShapeError{"window", "64", "only gpt-oss|not llama"}},
		{name: "a hybrid of one layer", text: "1b,layers=1,arch=granitehybrid", err: &ShapeError{"layers", "1", "2 with granitehybrid"}},
		{name: "a hybrid whose state has no whole heads", text: "layers=2,width=80,heads=4,arch=granitehybrid", err: &ShapeError{"width", "80", "multiple of 32"}},
		{name: "heads of an odd size that is set", text: "1b,head_size=63", err: &ShapeError{"head_size", "63", "even"}},
		{name: "heads beyond all measure", text: "1b,head_size=65536", err: &ShapeError{"head_size", "65536", "32768"}},
		{name: "a skew that is none", text: "test-moe,experts_skew=0.5", err: &ShapeError{"experts_skew", "0.5", "above 0.5 and below 1"}},
		{name: "a skew that leaves nothing", text: "test-moe,experts_skew=1", err: &ShapeError{"experts_skew", "1", "below 1"}},
		{name: "a skew that is no number", text: "test-moe,experts_skew=80%", err: &ShapeError{"experts_skew", "80%", "below 1"}},
		{name: "a skew that is not a number", text: "test-moe,experts_skew=nan", err: &ShapeError{"experts_skew", "nan", "below 1"}},
		{name: "a skew given twice", text: "test-moe,experts_skew=0.7,experts_skew=0.8", err: &ShapeError{"experts_skew", "0.8", "twice"}},
		{name: "a skew without experts", text: "1b,experts_skew=0.8", err: &ShapeError{"experts_skew", "0.8", "set experts"}},
		{name: "a skew where a token passes half of the experts", text: "test-moe,experts_skew=0.8", err: &ShapeError{"experts_skew", "0.8", "at most 0.5|2 of 4 experts|experts_used"}},
		{name: "experts used without experts", text: "1b,experts_used=2", err: &ShapeError{"experts_used", "2", "from 0 to 0"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseShape(c.text)
			if c.err == nil {
				if err != nil || got != c.want {
					t.Fatalf("got %+v, %v, want %+v", got, err, c.want)
				}
				return
			}
			var e *ShapeError
			if !errors.As(err, &e) || e.Key != c.err.Key || e.Value != c.err.Value {
				t.Fatalf("got %+v, %v, want an error about %q, %q", got, err, c.err.Key, c.err.Value)
			}
			for part := range strings.SplitSeq(c.err.Reason, "|") {
				if !strings.Contains(e.Reason, part) {
					t.Errorf("%q does not contain %q", e.Reason, part)
				}
			}
		})
	}
}

func TestNamedShapes(t *testing.T) {
	var before uint64
	for _, name := range ShapeNames() {
		s, err := ParseShape(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if again, err := ParseShape(s.String()); err != nil || again != s {
			t.Errorf("%s: %q was read as %+v, %v", name, s, again, err)
		}
		n := s.Parameters()
		t.Logf("%s: %d parameters: %v", name, n, s)
		if n <= before && name != "test-moe" {
			t.Errorf("%s has %d parameters, no more than the one before", name, n)
		}
		before = n
	}
}

func TestParameters(t *testing.T) {
	for _, c := range []struct {
		name  string
		shape Shape
		want  uint64
	}{
		{"1b, counted by hand", Shape{Layers: 22, Width: 2048, Heads: 32, KVHeads: 4, FFN: 5632},
			2*32000*2048 + 2048 + 22*(2*2048*2048+2*2048*256+3*2048*5632+2*2048)},
		{"with experts, counted by hand", Shape{Layers: 2, Width: 64, Heads: 4, KVHeads: 2, FFN: 96, Vocab: 300, Experts: 4},
			2*300*64 + 64 + 2*(2*64*64+2*64*32+4*3*64*96+4*64+2*64)},
		{"not valid", Shape{Layers: 1}, 0},
		{"negative", Shape{Layers: -1, Width: 64, Heads: 2}, 0},
	} {
		if got := c.shape.Parameters(); got != c.want {
			t.Errorf("%s: got %d, want %d", c.name, got, c.want)
		}
	}
}

func FuzzParseShape(f *testing.F) {
	for _, seed := range []string{"1b", "test,layers=3", "layers=2,width=64,heads=4", "experts=,=,", "layers=2147483647", "test-moe,experts=16,experts_skew=0.75"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseShape(text)
		if err != nil {
			return
		}
		if again, err := ParseShape(s.String()); err != nil || again != s {
			t.Errorf("%q was read as %+v, which is written %q and read as %+v, %v", text, s, s, again, err)
		}
	})
}
