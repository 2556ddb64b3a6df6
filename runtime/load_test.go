//go:build cgo

package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/runtime"
)

// All load modes give the same tokens.
// What Accept refuses is refused before weights are read; its vocabulary is the model's.
func TestAcceptIsAskedBeforeWeightsAreRead(t *testing.T) {
	refusal := errors.New("not this one")
	for _, mode := range []runtime.LoadMode{runtime.LoadMMap, runtime.LoadCopy} {
		read, asked := false, 0
		o := runtime.Options{Load: mode, Packed: runtime.PackedOff, Progress: func(runtime.Progress) { read = true }}
		o.Accept = func(v *runtime.Vocabulary) error {
			ids, err := v.Tokenize(prompt, runtime.TokenizeOptions{})
			special, e := v.SpecialTokens()
			if err != nil || e != nil || len(ids) < 3 || ids[0] != special.BOS || v.Close() != nil {
				t.Errorf("%v, %v, %v, %+v", ids, err, e, special)
			}
			asked++
			return refusal
		}
		var load *runtime.LoadError
		if _, err := runtime.Open(t.Context(), tinyF16, o); !errors.Is(err, refusal) || !errors.As(err, &load) || read || asked != 1 {
			t.Errorf("%v: %v, asked %d times, weights were read: %v", mode, err, asked, read)
		}
		refusal = nil
		if _, err := open(t, tinyF16, o).Tokenize(prompt, runtime.TokenizeOptions{}); err != nil || !read {
			t.Errorf("%v: %v", mode, err)
		}
		refusal = errors.New("nor this one")
	}
}

func TestSameTokensHoweverTheWeightsAreLoaded(t *testing.T) {
	memtest.WithoutRace(t)
	for _, kind := range []string{"tiny", "synthetic"} {
		for _, typ := range []string{"f16", "q4_0", "q8_0", "q4_k"} {
			t.Run(kind+" "+typ, func(t *testing.T) {
				file := typ
				if kind == "tiny" && typ == "q4_k" {
					file = "q4_k_m"
				}
				path := model(t, kind, file)
				// With small chunks, attention needs flash attention to fit.
				so := runtime.SessionOptions{Context: 128, FlashAttention: llama.FlashOn}
				want, _, err := greedy(t.Context(), path, runtime.Options{Load: runtime.LoadStock, NoRepack: true}, so, 32)
				if err != nil {
					t.Fatal(err)
				}
				for _, tt := range []struct {
					name string
					o    runtime.Options
				}{
					{"mapped", runtime.Options{Load: runtime.LoadMMap}},
					{"mapped in chunks smaller than most tensors", runtime.Options{Load: runtime.LoadMMap, ChunkSize: 64 << 10}},
					{"mapped without reading ahead", runtime.Options{Load: runtime.LoadMMap, NoPrefetch: true}},
					{"copied", runtime.Options{Load: runtime.LoadCopy, NoRepack: true}},
					{"copied in chunks smaller than most tensors", runtime.Options{Load: runtime.LoadCopy, NoRepack: true, ChunkSize: 64 << 10}},
				} {
					got, r, err := greedy(t.Context(), path, tt.o, so, 32)
					if err != nil {
						t.Fatalf("%s: %v", tt.name, err)
					}
					equal(t, tt.name, got, want)
					if r.LoadMode != tt.o.Load || r.Repacked != 0 {
						t.Errorf("%s: loaded as %v, %d bytes repacked", tt.name, r.LoadMode, r.Repacked)
					}
				}
			})
		}
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	garbage := filepath.Join(dir, "garbage.gguf")
	if err := os.WriteFile(garbage, []byte("GGUFgarbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tt := range []struct {
		name string
		ctx  context.Context
		path string
		o    runtime.Options
		want error
	}{
		{"a missing file", t.Context(), filepath.Join(dir, "none.gguf"), runtime.Options{}, os.ErrNotExist},
		{"a broken file", t.Context(), garbage, runtime.Options{}, runtime.ErrBadModel},
		{"a folder without a model", t.Context(), t.TempDir(), runtime.Options{}, nil},
		{"an unknown load mode", t.Context(), tinyF16, runtime.Options{Load: 9}, runtime.ErrOption},
		{"a cancelled context", cancelled, tinyF16, runtime.Options{}, context.Canceled},
		{"a missing adapter", t.Context(), tinyF16, runtime.Options{Adapters: []runtime.Adapter{{Path: filepath.Join(dir, "lora.gguf")}}}, os.ErrNotExist},
		{"a model for an adapter", t.Context(), tinyF16, runtime.Options{Adapters: []runtime.Adapter{{Path: tinyF16}}}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, err := runtime.Open(tt.ctx, tt.path, tt.o)
			if err == nil {
				m.Close()
				t.Fatal("no error")
			}
			if tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("error %q is no %q", err, tt.want)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("error of several lines: %q", err)
			}
		})
	}
}

func TestCancelledLoadLeavesNothing(t *testing.T) {
	path := model(t, "synthetic", "f16")
	for _, mode := range []runtime.LoadMode{runtime.LoadMMap, runtime.LoadCopy, runtime.LoadStock} {
		t.Run(mode.String(), func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			calls := 0
			_, err := runtime.Open(ctx, path, runtime.Options{Load: mode, NoRepack: true, ChunkSize: 1 << 20, Progress: func(p runtime.Progress) {
				if calls++; calls == 2 {
					cancel()
				}
			}})
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("%v after %d reports", err, calls)
			}
		})
	}
}

func TestProgressCountsTheBytes(t *testing.T) {
	path := model(t, "synthetic", "f16")
	for _, mode := range []runtime.LoadMode{runtime.LoadMMap, runtime.LoadCopy} {
		var last runtime.Progress
		m := open(t, path, runtime.Options{Load: mode, ChunkSize: 1 << 20, Progress: func(p runtime.Progress) {
			if p.Done < last.Done || p.Done > p.Total {
				t.Errorf("%v: %d of %d after %d", mode, p.Done, p.Total, last.Done)
			}
			last = p
		}})
		if last.Done != last.Total || last.Total != m.Report().WeightBytes {
			t.Errorf("%v: ended at %d of %d, the weights have %d", mode, last.Done, last.Total, m.Report().WeightBytes)
		}
	}
}

// In a fragmented address space, chunked loads succeed and the whole-file load fails.
func TestAFragmentedAddressSpace(t *testing.T) {
	path := model(t, "large", "f16") // 250 MiB, and a largest tensor of 8 MiB
	want, _, err := greedy(t.Context(), path, runtime.Options{Load: runtime.LoadStock, NoRepack: true}, runtime.SessionOptions{Context: 128}, 24)
	if err != nil {
		t.Fatal(err)
	}
	for _, mode := range []string{"stock", "mmap", "copy"} {
		res, err := memtest.Run(t.Context(), memtest.Child("carved", path, "load="+mode, "norepack", "chunk=8388608", "ctx=128"), memtest.Limits{})
		memtest.Need(t, err)
		if res.Code == childUnsupported {
			t.Skip(string(res.Stderr))
		}
		if mode == "stock" {
			if res.Code == 0 {
				t.Error("the whole-file load succeeded: the address space is not fragmented enough to show anything")
			}
			continue
		}
		if res.Code != 0 || strings.TrimSpace(string(res.Stdout)) != fmt.Sprint(want) {
			t.Errorf("%s: %v, want tokens %v", mode, res, want)
		}
	}
}

// In a control group smaller than the weights, mapped weights work, and a copy is an error that
// names the limit.
func TestAControlGroupSmallerThanTheWeights(t *testing.T) {
	memtest.WithoutRace(t)
	path := model(t, "large", "f16")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	run := func(mode string) (memtest.Result, memtest.CgroupUsage) {
		cg, err := memtest.NewCgroup(uint64(info.Size()) * 3 / 4)
		memtest.Need(t, err)
		defer cg.Close()
		memtest.Need(t, memtest.DropCache(path))
		res, err := memtest.Run(t.Context(), memtest.Child("generate", path, "load="+mode, "ctx=128", "ubatch=32"), memtest.Limits{Cgroup: cg})
		if err != nil {
			t.Fatal(err)
		}
		use, err := cg.Usage()
		if err != nil {
			t.Fatal(err)
		}
		return res, use
	}
	if res, use := run("mmap"); res.Code != 0 || use.OOMKills != 0 {
		t.Errorf("mmap: %v, %+v", res, use)
	}
	res, use := run("copy")
	if res.Code != 1 || use.OOMKills != 0 || !strings.Contains(string(res.Stderr), "not enough memory") || !strings.Contains(string(res.Stderr), "control group") {
		t.Errorf("copy: %v, %+v; want the insufficient-memory error naming the control group", res, use)
	}
	if res, _ := run("auto"); res.Code != 0 {
		t.Errorf("auto: %v", res)
	}
}

// A stock load that does not fit is an error, before the system kills the process.
func TestAStockLoadThatDoesNotFitIsAnError(t *testing.T) {
	if !llama.CanRepack() {
		t.Skip("this engine repacks no weights")
	}
	path := model(t, "large", "q4_0")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		limit uint64
		args  []string
		want  []string
	}{
		{"repacked weights", uint64(info.Size()), []string{"ctx=128"},
			[]string{"not enough memory for weights ", " and other ", "left by the control group", "as they are in the file", "map the weights"}},
		{"a cache", 256 << 20, []string{"ctx=65536"}, // 512 MiB
			[]string{"session with a context of 65536", "not enough memory for kv: 512 MiB needed", "left by the control group", "use a context of "}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cg, err := memtest.NewCgroup(tt.limit)
			memtest.Need(t, err)
			defer cg.Close()
			memtest.Need(t, memtest.DropCache(path))
			res, err := memtest.Run(t.Context(), memtest.Child("generate", append([]string{path, "load=stock", "threads=1", "ubatch=32"}, tt.args...)...), memtest.Limits{Cgroup: cg})
			if err != nil {
				t.Fatal(err)
			}
			use, err := cg.Usage()
			if err != nil {
				t.Fatal(err)
			}
			if res.Code != 1 || use.OOMKills != 0 {
				t.Errorf("%v, %+v", res, use)
			}
			for _, w := range tt.want {
				if !strings.Contains(string(res.Stderr), w) {
					t.Errorf("%q is missing in %q", w, res.Stderr)
				}
			}
		})
	}
}
