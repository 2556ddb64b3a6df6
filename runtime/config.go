package runtime

import (
	"log/slog"
	"slices"

	"github.com/seed7adf6694/infer/loader/memory"
)

// config is what [Options] come to: checked, in the words of what follows, and never changed.
// Whatever opens, plans or moves a model reads it.
type config struct {
	load      LoadMode
	chunkSize uint64 // asked for; 0: by what the system grants
	repack    bool   // the engine may choose layouts for this CPU
	prefetch  bool   // mapped weights are read ahead
	check     bool   // all weights are read for invalid values
	gpuLayers int
	adapters  []Adapter // with their scales
	maxMemory uint64    // as Options.MaxMemory
	session   SessionOptions
	generate  *GenerateOptions
	fallbacks []string

	packed   PackedMode
	cacheDir string

	pool     *memory.Pool
	admit    func(memory.Purpose, uint64) error
	progress func(Progress) // never nil
	logger   *slog.Logger   // never nil
}

// resolve checks options, and makes a configuration of them.
func (o Options) resolve() (*config, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	return o.config(), nil
}

// config makes a configuration of options that are known to be good.
func (o Options) config() *config {
	c := &config{
		load: o.Load, chunkSize: o.ChunkSize, repack: !o.NoRepack, prefetch: !o.NoPrefetch, check: o.CheckTensors, gpuLayers: o.GPULayers,
		adapters: slices.Clone(o.Adapters), maxMemory: o.MaxMemory, session: o.Session, generate: o.Generate, fallbacks: o.Fallbacks,
		packed: o.Packed, cacheDir: o.CacheDir,
		pool: o.Pool, admit: o.Admit, progress: o.Progress, logger: o.Logger,
	}
	for i := range c.adapters {
		if c.adapters[i].Scale == 0 {
			c.adapters[i].Scale = 1
		}
	}
	if c.progress == nil {
		c.progress = func(Progress) {}
	}
	if c.logger == nil {
		c.logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// auto is the configuration with the load mode left open.
func (c *config) auto() *config {
	auto := *c
	auto.load = LoadAuto
	return &auto
}

// offloads tells whether layers go to GPUs.
func (c *config) offloads() bool { return c.gpuLayers > 0 }

// guesses tells whether generations will guess tokens.
func (c *config) guesses() bool { return c.generate != nil && c.generate.Lookup }

// log takes a decision.
func (c *config) log(msg string, args ...any) { c.logger.Info(msg, args...) }
