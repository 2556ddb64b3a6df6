//go:build cgo

package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/runtime"
)

// copyOf returns a copy of a file for a test to damage.
func copyOf(t testing.TB, path string) string {
	t.Helper()
	in, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	dst := filepath.Join(t.TempDir(), "copy.gguf")
	out, err := os.Create(dst)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	return dst
}

// A lost page raises a signal that would kill the process, so the test runs a child process.
func TestAFileThatIsCutShortIsAnErrorAndNotTheEnd(t *testing.T) {
	path := model(t, "large", "q4_0")
	for _, tt := range []struct{ name, budget string }{
		{"all weights mapped", "max=0"},
		{"some of them streamed", fmt.Sprint("max=", budgetOf(t, path, budgeted, 0.7))},
	} {
		for _, keep := range []string{"1048576", "5000000", "40000000"} {
			t.Run(tt.name+", cut to "+keep, func(t *testing.T) {
				res, err := memtest.Run(t.Context(), memtest.Child("cut", copyOf(t, path), keep, tt.budget), memtest.Limits{})
				if err != nil {
					t.Fatal(err)
				}
				if string(res.Stdout) == "refused\n" {
					t.Skip("this system does not cut files short that are mapped: ", string(res.Stderr))
				}
				if res.Code != 0 || string(res.Stdout) != "changed\n" {
					t.Error(res)
				}
			})
		}
	}
}

// childCut truncates the file while it generates.
func childCut(args []string) int {
	var keep int64
	o := runtime.Options{Load: runtime.LoadMMap, Session: budgeted}
	if _, err := fmt.Sscan(args[1], &keep); err != nil {
		return 2
	}
	if _, err := fmt.Sscanf(args[2], "max=%d", &o.MaxMemory); err != nil {
		return 2
	}
	ctx := context.Background()
	return inChild(args[0], o, func(_ *runtime.Model, s *runtime.Session) error {
		n := 0
		for _, err := range s.Generate(ctx, prompt, runtime.GenerateOptions{MaxTokens: 20, IgnoreEOG: true, Sampling: runtime.Sampling{Greedy: true}}) {
			if err != nil {
				if n < 3 || !errors.Is(err, loader.ErrFileChanged) {
					return fmt.Errorf("after %d tokens: %w", n, err)
				}
				break
			}
			if n++; n == 3 {
				if err := os.Truncate(args[0], keep); err != nil {
					fmt.Println("refused")
					return err
				}
			}
		}
		if n >= 20 {
			return errors.New("a deleted file generated text")
		}
		if _, err := s.Complete(ctx, prompt, greedyOptions(1)); !errors.Is(err, loader.ErrFileChanged) {
			return fmt.Errorf("afterwards: %w", err)
		}
		fmt.Println("changed")
		return nil
	})
}

func TestAFileThatVanishesIsStillThere(t *testing.T) {
	path := model(t, "large", "q4_0")
	want, _, err := greedy(t.Context(), path, runtime.Options{Load: runtime.LoadMMap}, budgeted, 8)
	if err != nil {
		t.Fatal(err)
	}
	gone := copyOf(t, path)
	m := open(t, gone, runtime.Options{Load: runtime.LoadMMap, MaxMemory: budgetOf(t, path, budgeted, 0.7), Session: budgeted})
	if err := os.Remove(gone); err != nil {
		t.Fatal(err)
	}
	var got []int32
	for tok, err := range session(t, m, budgeted).Generate(t.Context(), prompt, greedyOptions(8)) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, tok.ID)
	}
	equal(t, "tokens", got, want)
}
