//go:build cgo

package runtime_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/runtime"
)

// childRefused makes a request that does not fit into memory three times, and prints the
// errors. A model that was loaded before goes on working.
func childRefused(args []string) int {
	path, o, so := parseChild(args)
	ctx := context.Background()
	first, err := runtime.Open(ctx, "", runtime.Options{Load: runtime.LoadCopy})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer first.Close()
	s, err := first.NewSession(background, runtime.SessionOptions{Context: 128})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer s.Close()
	say := func() string {
		text, err := s.Complete(ctx, prompt, greedyOptions(12))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return text
	}
	want := say()
	if err := memtest.SetLimits(memtest.Limits{Data: 64 << 20, Headroom: true}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return childUnsupported
	}
	for range 3 { // refusals leak nothing: all are the same
		_, _, err = greedy(ctx, path, o, so, 4)
		fmt.Println(err)
		if got := say(); got != want {
			fmt.Fprintf(os.Stderr, "%q after the refusal, %q before\n", got, want)
			return 1
		}
	}
	return 0
}

func TestARefusedLoadLeavesTheProcessAsItWas(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		want []string // in each of the three errors
	}{
		{"weights that are copied", []string{"load=copy", "norepack", "ctx=128"}, []string{"not enough memory for weights", "data limit"}},
		{"a context", []string{"load=mmap", "ctx=65536"}, []string{"not enough memory", "data limit", "session with a context of 65536 tokens"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res, err := memtest.Run(t.Context(), memtest.Child("refused", append([]string{model(t, "large", "f16")}, tt.args...)...), memtest.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if res.Code == childUnsupported {
				t.Skip(string(res.Stderr))
			}
			lines := strings.Split(strings.TrimSpace(string(res.Stdout)), "\n")
			if res.Code != 0 || len(lines) != 3 {
				t.Fatal(res)
			}
			for _, line := range lines {
				for _, w := range tt.want {
					if !strings.Contains(line, w) {
						t.Errorf("%q is missing in %q", w, line)
					}
				}
			}
		})
	}
}
