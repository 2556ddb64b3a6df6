//go:build cgo

package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/benchmarks"
)

const heldOut = "../../models/tiny/tiny-stories-heldout.txt"

func TestPerplexity(t *testing.T) {
	needEngine(t)
	args := []string{"perplexity", "--kl-base", tinyF16, "-f", heldOut, "-c", "64", "--chunks", "3", "-t", "1", "-q"}
	r := call(t, args...)
	if r.code != 0 || r.stderr != "" || !strings.HasPrefix(r.out, "perplexity ") || !strings.Contains(r.out, "(3 chunks of 64 tokens, 93 scored)") || !strings.Contains(r.out, "KL divergence") {
		t.Errorf("%+v", r)
	}
	var p benchmarks.Perplexity
	if r := call(t, append(args, "--json")...); r.code != 0 || json.Unmarshal([]byte(r.out), &p) != nil || p.Value <= 1 || p.Base == nil {
		t.Errorf("%+v", r)
	}
	for name, args := range map[string][]string{
		"no text":                  {"perplexity"},
		"a text that is too short": {"perplexity", "-f", "-"},
		"a base without a name":    {"perplexity", "-f", heldOut, "--kl-base", ""},
	} {
		if r := callWith(t, "Once upon a time", args...); r.code != exitUsage || r.out != "" {
			t.Errorf("%s: %+v", name, r)
		}
	}
}
