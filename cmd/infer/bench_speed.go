package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/seed7adf6694/infer/benchmarks"
	"github.com/seed7adf6694/infer/cmd/infer/internal/spellings"
	"github.com/seed7adf6694/infer/cmd/infer/internal/values"
)

// speedConfig is what the flags of `infer bench speed` say.
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
	f.group("Tests; lists are separated by commas, and all combinations run")
	const most = 1 << 24
	f.parsed("n-prompt", "p", "LIST", "tokens of prompts; 0 for none (default 512)", values.ListOf(&c.prompts, values.Whole(0, most)))
	f.parsed("n-gen", "n", "LIST", "tokens to generate; 0 for none (default 128)", values.ListOf(&c.generated, values.Whole(0, most)))
	f.parsed("prompt-gen", "", "P,N", "a prompt and tokens after it, timed together; repeatable (also -pg)", c.setBoth)
	f.parsed("n-depth", "d", "LIST", "tokens in the context before (default 0)", values.ListOf(&c.Depths, values.Whole(0, most)))
	f.parsed("load", "", "LIST", "where the weights live: auto, mmap, packed, copy, stock (default auto)", values.ListOf(&c.Loads, values.Word("auto", "mmap", "packed", "copy", "stock")))
	f.parsed("threads", "t", "LIST", "threads (default one per core)", values.ListOf(&c.Threads, values.Whole(1, 512)))
	f.parsed("batch-size", "b", "LIST", "tokens submitted at once (default 2048)", values.ListOf(&c.Batches, values.Whole(1, most)))
	f.parsed("ubatch-size", "", "LIST", "tokens computed at once (also -ub; default 512)", values.ListOf(&c.UBatches, values.Whole(1, most)))
	cache := values.Word("f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "iq4_nl", "q5_0", "q5_1")
	f.parsed("cache-type-k", "", "LIST", "types of the K cache (also -ctk; default f16)", values.ListOf(&c.CacheTypesK, cache))
	f.parsed("cache-type-v", "", "LIST", "types of the V cache, which want -fa 1 where quantised (also -ctv; default f16)", values.ListOf(&c.CacheTypesV, cache))
	f.parsed("flash-attn", "", "LIST", "flash attention: 0, 1, on, off or auto (also -fa; default 0)", values.ListOf(&c.FlashAttn, flashSetting))
	chunkFlag(f, &c.ChunkSize)
	f.BoolVar(&c.NoRepack, "no-repack", false, "leave the weights in the layout of the file")
	c.runFlags(f)
	c.repetitions = benchmarks.DefaultSpeedRepetitions
	f.Lookup("repetitions").DefValue = fmt.Sprint(c.repetitions)
	c.outputFlags(f)
	return &command{
		name:     benchName + " speed",
		summary:  "llama-bench's tests, by its names: pp512, tg128",
		synopsis: []string{"[flags] [MODEL]"},
		about: "Times a prompt and tokens one by one as llama-bench does, by its names and in its columns, and with load modes beside them. Tokens are random. " +
			"Each repetition is a process of its own, which loads the model and warms up before it is timed.",
		examples: []string{
			`infer bench speed`, "the embedded model",
			`infer bench speed model.gguf --load mmap,copy,stock -t 1,2 -o md`, "load modes and threads, for a page",
			`infer bench speed model.gguf -p 0 -n 32 -d 0,512,1024`, "tokens after longer and longer texts",
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

// tests are in llama-bench's order.
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
		return errors.New("want tokens of the prompt and to generate, as in 512,128")
	}
	c.both = append(c.both, benchmarks.SpeedTest{Prompt: a[0], Generate: b[0]})
	return nil
}

// flashSetting reads llama-bench's 0 and 1, and the words of the other commands.
func flashSetting(s string) ([]string, error) {
	switch s {
	case "0":
		s = "off"
	case "1":
		s = "on"
	}
	return values.Word("on", "off", "auto")(s)
}
