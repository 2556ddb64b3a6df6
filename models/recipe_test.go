package models

import (
	"fmt"
	"strings"
	"testing"
)

// The types are those that the engine's own quantiser gave to files of these
// shapes.
func TestRecipesChooseTheTypesOfTheEngine(t *testing.T) {
	const (
		shared  = "layers=18,width=256,heads=8,kv_heads=2,ffn=256,vocab=300"
		single  = "layers=18,width=256,heads=4,kv_heads=4,ffn=256,vocab=300"
		eight   = "layers=18,width=256,heads=4,kv_heads=4,ffn=256,vocab=300,experts=8"
		uneven  = "layers=2,width=96,heads=3,ffn=288,vocab=300"
		narrow  = "layers=2,width=100,heads=2,ffn=256,vocab=300"
		seventy = "layers=80,width=256,heads=2,kv_heads=1,ffn=256,vocab=300"
	)
	for _, c := range []struct {
		name, shape, kind string
		role              role
		want              string // types of the layers, as in 2×q6_k
	}{
		{"values of the first, the last and every third layer get more bits", shared, "q4_k_m", attentionV, "2×q6_k 2×q4_k q6_k 2×q4_k q6_k 2×q4_k q6_k 2×q4_k q6_k q4_k 3×q6_k"},
		{"so do the ways down", shared, "q5_k_m", ffnDown, "2×q6_k 2×q5_k q6_k 2×q5_k q6_k 2×q5_k q6_k 2×q5_k q6_k q5_k 3×q6_k"},
		{"the first layers of a small mixture get more", shared, "q4_k_s", attentionV, "4×q5_k 14×q4_k"},
		{"and the first eighth of the ways down", shared, "q4_k_s", ffnDown, "2×q5_k 16×q4_k"},
		{"two layers of q3_k_m", shared, "q3_k_m", attentionV, "2×q5_k 16×q4_k"},
		{"a sixteenth of q3_k_m", shared, "q3_k_m", ffnDown, "q5_k 17×q4_k"},
		{"q3_k stands for q3_k_m", shared, "q3_k", attentionOut, "18×q4_k"},
		{"shared values get more bits in q2_k", shared, "q2_k", attentionV, "18×q4_k"},
		{"values of their own get fewer", single, "q2_k", attentionV, "18×q3_k"},
		{"shared values get more bits in iq4_xs", shared, "iq4_xs", attentionV, "18×q5_k"},
		{"values of their own do not", single, "iq4_xs", attentionV, "18×iq4_xs"},
		{"eight experts share the attention", eight, "q4_0", attentionV, "18×q8_0"},
		{"eight experts share the keys", eight, "q4_k_m", attentionK, "18×q8_0"},
		{"eight experts share what comes out", eight, "q4_k_m", attentionOut, "18×q5_k"},
		{"but not in q4_0", eight, "q4_0", attentionOut, "18×q4_0"},
		{"eighty layers are taken for the 70B", seventy, "q3_k_s", attentionV, "80×q5_k"},
		{"rows of 96 have no place for q4_k", uneven, "q4_k_m", attentionQ, "2×q5_0"},
		{"nor for q6_k", uneven, "q6_k", ffnUp, "2×q8_0"},
		{"rows of 100 have no place for any", narrow, "q4_k_m", attentionQ, "2×f16"},
		{"the output is q6_k", shared, "q4_0", output, "q6_k"},
		{"the output of q8_0 is q8_0", shared, "q8_0", output, "q8_0"},
		{"the output of uneven rows is q8_0", uneven, "q4_k_m", output, "q8_0"},
		{"ternary types keep the embedding", shared, "tq2_0", embedding, "q4_k"},
		{"the embedding is as the bulk", shared, "q4_0", embedding, "q4_0"},
		{"norms stay exact", shared, "q4_0", norm, "37×f32"},
		{"the choice of experts stays exact", eight, "q4_0", router, "18×f32"},
		{"experts alone are mxfp4", eight, "mxfp4_moe", ffnUp, "18×mxfp4"},
		{"the rest beside them is not", eight, "mxfp4_moe", attentionQ, "18×q8_0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := parseRecipe(c.kind)
			if err != nil {
				t.Fatal(err)
			}
			s := shapeOf(t, c.shape)
			var kinds []string
			for _, b := range s.tensors() {
				if b.role != c.role {
					continue
				}
				kind, err := r.kind(s, &b)
				if err != nil {
					t.Fatal(err)
				}
				kinds = append(kinds, strings.ToLower(kind.String()))
			}
			if got := runs(kinds); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// runs writes a a a b as 3×a b.
func runs(words []string) string {
	var parts []string
	for i := 0; i < len(words); {
		n := 1
		for i+n < len(words) && words[i+n] == words[i] {
			n++
		}
		part := words[i]
		if n > 1 {
			part = fmt.Sprintf("%d×%s", n, part)
		}
		parts = append(parts, part)
		i += n
	}
	return strings.Join(parts, " ")
}
