package runtime

import (
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/llama"
)

func TestTheLedgerHasEveryPurposeOfTheEngine(t *testing.T) {
	n := 0
	for p := llama.Purpose(1); !strings.HasPrefix(p.String(), "Purpose("); p++ {
		if got := purposeOf(p); got.String() != p.String() {
			t.Errorf("%v is %v", p, got)
		}
		n++
	}
	if n < 4 || purposeOf(0) != 0 || purposeOf(255) != 0 {
		t.Errorf("%d purposes, none is %v", n, purposeOf(0))
	}
}
