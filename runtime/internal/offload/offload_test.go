package offload

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func namesOf(layers int) (names []string) {
	for i := range layers {
		for _, kind := range []string{"attn_q.weight", "ffn_up_exps.weight", "ffn_gate_exps.weight", "ffn_up_shexp.weight"} {
			names = append(names, fmt.Sprintf("blk.%d.%s", i, kind))
		}
	}
	return append(names, "token_embd.weight", "output.weight")
}

func TestPatternsMatchTheirNamesAndNoOthers(t *testing.T) {
	all := namesOf(123)
	for _, pattern := range []string{`exps`, `.*`, `blk\.1[0-9]\.`, `output`, `blk\.(1|22)\.ffn_up_exps|token`, `nothing`} {
		rule, err := Compile(pattern)
		if err != nil {
			t.Fatal(err)
		}
		chosen := Assign(all, []Rule{{rule, "GPU"}})["GPU"]
		patterns := Patterns(chosen)
		if len(patterns) > 4 {
			t.Errorf("%s: %d patterns", pattern, len(patterns))
		}
		for _, name := range all {
			matched := slices.ContainsFunc(patterns, func(p string) bool { return regexp.MustCompile(p).MatchString(name) })
			if want := slices.Contains(chosen, name); matched != want {
				t.Errorf("%s: %s is matched: %v, want %v", pattern, name, matched, want)
			}
		}
	}
}

func TestNamesWithSignsAreQuoted(t *testing.T) {
	names := []string{"a+b(c", "blk.7.x|y$", `b\d`}
	for _, p := range Patterns(names) {
		if _, err := regexp.Compile(p); err != nil {
			t.Error(err)
		}
	}
	if got := Patterns([]string{"a+b(c"}); got[0] != `^(?:a\+b\(c)$` {
		t.Error(got)
	}
}

func TestExpertsOfTheFirstLayers(t *testing.T) {
	for n := range 125 {
		got := Assign(namesOf(123), Experts(n))[CPU]
		if want := 2 * min(n, 123); len(got) != want {
			t.Errorf("%d layers: %d tensors, want %d", n, len(got), want)
		}
		for _, name := range got {
			var layer int
			fmt.Sscanf(name, "blk.%d.", &layer)
			if layer >= n || !strings.Contains(name, "exps") {
				t.Errorf("%d layers: %s", n, name)
			}
		}
	}
	if got := Assign(namesOf(5), Experts(-1))[CPU]; len(got) != 10 {
		t.Error(got)
	}
}

func TestTheFirstRuleCounts(t *testing.T) {
	rules := []Rule{{regexp.MustCompile(`blk\.0\.`), "A"}, {regexp.MustCompile(`exps`), "B"}}
	got := Assign(namesOf(2), rules)
	if len(got["A"]) != 4 || len(got["B"]) != 2 {
		t.Error(got)
	}
}

func TestPatternsThatAreRefused(t *testing.T) {
	for _, p := range []string{"", "(", `a(?=b)`, `(a)\1`, strings.Repeat("a", longest+1), "(((a{1,1000}){1,1000}){1,1000})"} {
		if _, err := Compile(p); err == nil {
			t.Errorf("%.20q is accepted", p)
		}
	}
}

func TestMostAndFewer(t *testing.T) {
	for all := range 40 {
		for limit := range all + 1 {
			got, err := Most(all, func(n int) (bool, error) { return n <= limit, nil })
			if got != limit || err != nil {
				t.Errorf("%d of %d: %d, %v", limit, all, got, err)
			}
		}
	}
	for n := 1; n < 40; n++ {
		for placed := range uint64(101) {
			if got := Fewer(n, placed, 100); got < 0 || got >= n {
				t.Errorf("%d after %d: %d", n, placed, got)
			}
		}
	}
}
