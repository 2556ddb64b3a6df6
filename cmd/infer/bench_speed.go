package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/seed7adf6694/infer/benchmarks"
	"github.com/seed7adf6694/infer/cmd/infer/internal/spellings"
	"github.com/seed7adf6694/infer/cmd/infer/internal/values"
	"github.com/seed7adf6694/infer/runtime"
)

// speedConfig holds the flags of `infer bench speed`.
type speedConfig struct {
	benchConfig
	benchmarks.SpeedOptions
	prompts, generated []int
	both               []benchmarks.SpeedTest
}

func speedCommand() *command {
	f := newFlags()
	c := &speedConfig{benchConfig: benchConfig{flags: f}, prompts: []int{512}, generated: []int{128}}
	c.modelFlags(f, "", "q4_0")
	f.group("Tests (comma-separated lists; all combinations run)")
	const most = 1 << 24
	f.parsed("n-prompt", "p", "LIST", "prompt lengths in tokens; 0 for no prompt test (default 512)", values.ListOf(&c.prompts, values.Whole(0, most)))
	f.parsed("n-gen", "n", "LIST", "tokens to generate; 0 for no generation test (default 128)", values.ListOf(&c.generated, values.Whole(0, most)))
	f.parsed("prompt-gen", "", "P,N", "time a prompt and the generation after it together (repeatable; also -pg)", c.setBoth)
	f.parsed("n-depth", "d", "LIST", "tokens that the context holds before the test (default 0)", values.ListOf(&c.Depths, values.Whole(0, most)))
	f.parsed("load", "", "LIST", "load modes: auto, mmap, packed, copy, stock (default auto)", values.ListOf(&c.Loads, values.Word("auto", "mmap", "packed", "copy", "stock")))
	f.parsed("threads", "t", "LIST", "threads (default one per core)", values.ListOf(&c.Threads, values.Whole(1, 512)))
	f.parsed("batch-size", "b", "LIST", "batch: tokens submitted at once (default 2048)", values.ListOf(&c.Batches, values.Whole(1, most)))
	f.parsed("ubatch-size", "", "LIST", "micro-batch: tokens computed at once (also -ub; default 512)", values.ListOf(&c.UBatches, values.Whole(1, most)))
	cache := values.Word("f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "iq4_nl", "q5_0", "q5_1")
	f.parsed("cache-type-k", "", "LIST", "types of the K cache (also -ctk; default f16)", values.ListOf(&c.CacheTypesK, cache))
	f.parsed("cache-type-v", "", "LIST", "types of the V cache; quantised types need -fa 1 (also -ctv; default f16)", values.ListOf(&c.CacheTypesV, cache))
	f.parsed("flash-attn", "", "LIST", "flash attention: 0, 1, on, off or auto (also -fa; default 0)", values.ListOf(&c.FlashAttn, flashSetting))
	f.parsed("gpu-layers", "g", "LIST", "layers to put on GPUs: numbers, all or auto (also -ngl; default 0)", values.ListOf(&c.GPULayers, layersSetting))
	chunkFlag(f, &c.ChunkSize)
	f.BoolVar(&c.NoRepack, "no-repack", false, "do not repack: keep the weights in the layout of the file")
	f.text(&c.Peer, "peer", "", "", "PATH", "also measure this llama-bench, in turn ('make llama-bench' builds one)")
	c.runFlags(f)
	c.repetitions = benchmarks.DefaultSpeedRepetitions
	f.Lookup("repetitions").DefValue = fmt.Sprint(c.repetitions)
	c.outputFlags(f)
	return &command{
		name:     benchName + " speed",
		summary:  "run llama-bench's tests (pp512, tg128)",
		synopsis: []string{"[flags] [MODEL]"},
		about: "Times prompts and generation as llama-bench does, with its names and columns, and compares load modes. Tokens are random. " +
			"Each repetition runs in a process of its own, which loads the model and warms up before the timed part.",
		examples: []string{
			`infer bench speed`, "the embedded model",
			`infer bench speed model.gguf --load mmap,copy,stock -t 1,2 -o md`, "load modes and threads, as a Markdown table",
			`infer bench speed model.gguf -p 0 -n 32 -d 0,512,1024`, "generation after contexts of growing length",
			`infer bench speed model.gguf --load packed --engine bin/engine/linux-x64 --peer bin/llama-tools/llama-bench`, "beside llama-bench with the same libraries",
		},
		flags:   f,
		aliases: spellings.Shorthands{"pg": "prompt-gen"},
		run: func(ctx context.Context, s *streams, args []string) error {
			if c.Tests = c.tests(); len(c.Tests) == 0 {
				return usagef("no test: give prompts (-p), tokens to generate (-n) or both (-pg)")
			}
			return c.experiment(ctx, s, args, func(ctx context.Context, r *benchmarks.Runner, m benchmarks.Model) (benchmarks.Results, error) {
				c.Model = m
				return r.Speed(ctx, c.SpeedOptions)
			})
		},
	}
}

// tests returns the tests in llama-bench's order.
func (c *speedConfig) tests() []benchmarks.SpeedTest {
	var out []benchmarks.SpeedTest
	for _, n := range c.prompts {
		if n > 0 {
			out = append(out, benchmarks.SpeedTest{Prompt: n})
		}
	}
	for _, n := range c.generated {
		if n > 0 {
			out = append(out, benchmarks.SpeedTest{Generate: n})
		}
	}
	return append(out, c.both...)
}

func (c *speedConfig) setBoth(s string) error {
	p, n, ok := strings.Cut(s, ",")
	a, errA := values.Whole(1, 1<<24)(p)
	b, errB := values.Whole(1, 1<<24)(n)
	if !ok || errA != nil || errB != nil || len(a) != 1 || len(b) != 1 {
		return errors.New("want the tokens of the prompt and the tokens to generate, as in 512,128")
	}
	c.both = append(c.both, benchmarks.SpeedTest{Prompt: a[0], Generate: b[0]})
	return nil
}

// layersSetting reads numbers of layers on GPUs, all or auto.
func layersSetting(s string) ([]int, error) {
	switch s {
	case "all", "-1":
		return []int{math.MaxInt32}, nil
	case "auto":
		return []int{runtime.GPULayersAuto}, nil
	}
	return values.Whole(0, math.MaxInt32)(s)
}

// flashSetting reads llama-bench's 0 and 1, and on, off and auto as the other commands have them.
func flashSetting(s string) ([]string, error) {
	switch s {
	case "0":
		s = "off"
	case "1":
		s = "on"
	}
	return values.Word("on", "off", "auto")(s)
}
