package main

import (
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/runtime"
)

// parseGenerate parses arguments as `infer` does.
func parseGenerate(args ...string) (*generateConfig, error) {
	f, c := generateFlags()
	cmd := &command{flags: f}
	_, err := cmd.parse(args)
	return c, err
}

func TestFlagsMeanWhatTheyMeanToLlamaCpp(t *testing.T) {
	seed := func(n uint32) *uint32 { return &n }
	type all struct {
		open    runtime.Options
		session runtime.SessionOptions
		gen     runtime.GenerateOptions
	}
	for _, tt := range []struct {
		name string
		args string
		set  func(*all)
	}{
		{"nothing", "", func(a *all) {}},
		{"no limit", "-n -1", func(a *all) {}},
		{"until the context is full, even if it could shift", "-n -2 --context-shift", func(a *all) {}},
		{"a number of tokens", "--n-predict 7", func(a *all) { a.gen.MaxTokens = 7 }},
		{"context shift", "--context-shift", func(a *all) { a.gen.Overflow = runtime.OverflowShift }},
		{"lookup", "--lookup", func(a *all) { a.gen.Lookup = true }},
		{"temperature zero", "--temp 0", func(a *all) { a.gen.Sampling.Temperature = runtime.Off }},
		{"top-k zero", "--top-k 0", func(a *all) { a.gen.Sampling.TopK = runtime.Off }},
		{"top-p zero keeps one token", "--top-p 0", func(a *all) { a.gen.Sampling.TopP = 1e-9 }},
		{"top-p one", "--top-p 1", func(a *all) { a.gen.Sampling.TopP = 1 }},
		{"min-p zero", "--min-p 0", func(a *all) { a.gen.Sampling.MinP = runtime.Off }},
		{"underscores", "--min_p 0.1", func(a *all) { a.gen.Sampling.MinP = 0.1 }},
		{"a seed", "-s 42", func(a *all) { a.gen.Sampling.Seed = seed(42) }},
		{"seed zero is a seed", "-s 0", func(a *all) { a.gen.Sampling.Seed = seed(0) }},
		{"a random seed", "-s -1", func(a *all) {}},
		{"llama.cpp's other word for a random seed", "-s 4294967295", func(a *all) {}},
		{"the last seed counts", "-s 5 -s -1", func(a *all) {}},
		{"penalties without a window", "--repeat-penalty 1.5 --repeat-last-n 0 --presence-penalty 1", func(a *all) {
			a.gen.Sampling.RepeatPenalty, a.gen.Sampling.PresencePenalty, a.gen.Sampling.PenaltyLastN = 1.5, 1, runtime.Off
		}},
		{"penalties over the whole context", "--repeat-penalty 1.5 --repeat-last-n -1", func(a *all) {
			a.gen.Sampling.RepeatPenalty, a.gen.Sampling.PenaltyLastN = 1.5, -1
		}},
		{"top-nsigma", "--top-nsigma 2", func(a *all) { a.gen.Sampling.TopNSigma = 2 }},
		{"DRY without a window", "--dry-multiplier 0.8 --dry-penalty-last-n 0", func(a *all) {
			a.gen.Sampling.DRYMultiplier, a.gen.Sampling.DRYPenaltyLastN = 0.8, runtime.Off
		}},
		{"DRY", "--dry-multiplier 0.8 --dry-sequence-breaker none", func(a *all) {
			a.gen.Sampling.DRYMultiplier, a.gen.Sampling.DRYBreakers = 0.8, []string{}
		}},
		{"mirostat", "--mirostat 2 --mirostat-ent 4 --mirostat-lr 0.2", func(a *all) {
			a.gen.Sampling.Mirostat, a.gen.Sampling.MirostatTau, a.gen.Sampling.MirostatEta = 2, 4, 0.2
		}},
		{"logit bias", "-l 15+2.5 --logit-bias 16-inf -l 17-1", func(a *all) {
			a.gen.Sampling.LogitBias = map[int32]float32{15: 2.5, 16: float32(math.Inf(-1)), 17: -1}
		}},
		{"stop texts are unescaped", `--stop \n\n -r User:`, func(a *all) { a.gen.Stop = []string{"\n\n", "User:"} }},
		{"escapes switched off", `--no-escape --stop \n`, func(a *all) { a.gen.Stop = []string{`\n`} }},
		{"short flags of several letters", "-ngl 3 -ctk q8_0 -ctv q4_0 -ub 64 -tb 2", func(a *all) {
			a.open.GPULayers = 3
			a.session.CacheTypeK, a.session.CacheTypeV, a.session.UBatch, a.session.BatchThreads = "q8_0", "q4_0", 64, 2
		}},
		{"short flags of several letters with =", "-ngl=-1 -ub=64", func(a *all) { a.open.GPULayers, a.session.UBatch = math.MaxInt32, 64 }},
		{"flash attention without a value", "-fa -t 2", func(a *all) { a.session.FlashAttention, a.session.Threads = llama.FlashOn, 2 }},
		{"flash attention off", "-fa off", func(a *all) { a.session.FlashAttention = llama.FlashOff }},
		{"batch sizes", "-b 128 --ubatch-size 32", func(a *all) { a.session.Batch, a.session.UBatch = 128, 32 }},
		{"loading", "--load mmap --chunk-size 16MiB --no-prefetch --check-tensors", func(a *all) {
			a.open.Load, a.open.ChunkSize, a.open.NoPrefetch, a.open.CheckTensors = runtime.LoadMMap, 16<<20, true, true
		}},
		{"llama.cpp's word for copying", "--no-mmap --no-repack", func(a *all) { a.open.Load, a.open.NoRepack = runtime.LoadCopy, true }},
		{"cache types, one of them given", "-ctk q8_0", func(a *all) { a.session.CacheTypeK, a.session.CacheTypeV = "q8_0", "f16" }},
		{"the context that the model was trained with", "-c 0", func(a *all) { a.session.Context = -1 }},
		{"a memory budget", "--max-memory 1G", func(a *all) { a.open.MaxMemory = 1 << 30 }},
		{"no memory budget", "--max-memory off", func(a *all) { a.open.MaxMemory = runtime.MaxMemoryOff }},
		{"fallbacks in order", "--fallback a --fallback b", func(a *all) { a.open.Fallbacks = []string{"a", "b"} }},
		{"adapters in order", "--lora a --lora-scaled C:\\b:0.5 --lora-scaled none:0", func(a *all) {
			a.open.Adapters = []runtime.Adapter{{Path: "a"}, {Path: `C:\b`, Scale: 0.5}}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := parseGenerate(strings.Fields(tt.args)...)
			if err != nil {
				t.Fatal(err)
			}
			want := all{
				gen: runtime.GenerateOptions{Sampling: runtime.Sampling{
					Temperature: 0.8, DynatempExponent: 1, TopK: 40, TopP: 0.95, MinP: 0.05, TypicalP: 1, XTCThreshold: 0.1,
					MirostatTau: 5, MirostatEta: 0.1, PenaltyLastN: 64, RepeatPenalty: 1,
					DRYBase: 1.75, DRYAllowedLength: 2, DRYPenaltyLastN: -1,
				}},
			}
			tt.set(&want)
			var got all
			if got.open, got.session, got.gen, err = c.options(); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

func TestValuesOfFlagsAreLeftAlone(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"a prompt like a shorthand", []string{"-p", "-ngl"}, "-ngl"},
		{"a prompt like a shorthand, after the long flag", []string{"--prompt", "-ub"}, "-ub"},
		{"a prompt like a flag", []string{"-p", "--help"}, "--help"},
		{"a prompt like the end of the flags", []string{"-p", "--"}, "--"},
		{"a prompt behind switches", []string{"-qvp", "-fa"}, "-fa"},
		{"a prompt joined to its flag", []string{"-p-ngl"}, "-ngl"},
		{"a prompt joined with =", []string{"--prompt=-ngl"}, "-ngl"},
		{"an empty prompt", []string{"-p", ""}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := parseGenerate(tt.args...)
			if err != nil || c.prompt != tt.want {
				t.Errorf("%q, %v", c.prompt, err)
			}
		})
	}
}
