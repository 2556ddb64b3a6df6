package runtime

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/loader/packed"
	"github.com/seed7adf6694/infer/runtime/internal/cache"
)

// PackedMode is whether packed files are cached and used.
type PackedMode int

const (
	// PackedAuto opens the cached packed file of a model instead of the model's file. If
	// there is none, it makes one while the model is open and idle, and then moves the model
	// to it between two calls: sessions keep their contexts, and the memory of copied weights
	// is freed. A model with a memory budget uses the packed file when it is opened again.
	// PackedAuto applies with [LoadAuto] and without NoRepack, GPULayers and Pool. If the
	// cache can't be written or is full, that is logged and no packed file is used.
	PackedAuto PackedMode = iota
	// PackedOff neither uses nor makes packed files.
	PackedOff
	// PackedRequire makes a missing packed file before the model is opened. If that fails,
	// Open returns the error.
	PackedRequire
)

var packedModes = []string{"auto", "off", "require"}

func (p PackedMode) String() string { return enumName("PackedMode", p, packedModes) }

// ParsePackedMode is the inverse of String. An unknown name is an [ErrOption].
func ParsePackedMode(s string) (PackedMode, error) {
	return parseEnum[PackedMode]("packed mode", s, packedModes)
}

// CacheShare bounds the cache of packed files: it takes at most 1/CacheShare of the bytes of
// the disk that are free or taken by the cache.
const CacheShare = cache.Share

// PackedCacheVariable is the environment variable with the folder of packed files.
const PackedCacheVariable = "INFER_PACKED_CACHE"

// PackedCache returns the cache of packed files. Its folder is dir; if that is "", the value of
// [PackedCacheVariable]; if that is empty too, infer/packed in [os.UserCacheDir].
func PackedCache(dir string) (*packed.Store, error) {
	if dir == "" {
		dir = os.Getenv(PackedCacheVariable)
	}
	if dir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return nil, fmt.Errorf("no folder for packed files: %w", err)
		}
		dir = filepath.Join(user, "infer", "packed")
	}
	return packed.NewStore(dir), nil
}

// CacheUsage is the size of a cache of packed files and its limit. Sizes are bytes.
type CacheUsage struct {
	Dir   string `json:"folder"`
	Files int    `json:"files"`
	Used  uint64 `json:"used_bytes"`
	Limit uint64 `json:"limit_bytes"` // by [CacheShare], for the disk's free space now
}

// PackedCacheUsage measures the cache in a folder, named as for [PackedCache].
func PackedCacheUsage(dir string) (CacheUsage, error) {
	store, err := PackedCache(dir)
	if err != nil {
		return CacheUsage{}, err
	}
	usage, _, err := cache.UsageOf(store)
	return CacheUsage(usage), err
}

// reasonCached is the reason for a model that is mapped from a cached packed file.
const reasonCached = "packed for this CPU, from the cache: as fast as a copy"

// wantsPacked reports whether a cached packed file may be opened instead of the model's file.
func (c *config) wantsPacked() bool {
	return c.packed == PackedRequire || c.packed == PackedAuto && c.load == LoadAuto && c.repack && !c.offloads() && c.pool == nil && llama.CanRepack()
}

// lasts reports whether a path means the same file in a later process.
func lasts(path string) bool { return !strings.HasPrefix(path, "/proc/") }

// openCached opens the cached packed file of a model. Without a valid one it returns nil and no
// error, or with PackedRequire makes it or returns why it can't.
func openCached(ctx context.Context, path string, c *config) (*Model, error) {
	if !c.wantsPacked() || c.packed == PackedAuto && !lasts(path) {
		return nil, nil
	}
	store, err := PackedCache(c.cacheDir)
	if err != nil {
		if c.packed != PackedRequire {
			c.log("no packed file can be used", "reason", err)
			return nil, nil
		}
		return nil, err
	}
	file := cache.Path(store, path)
	m, err := openFile(ctx, file, path, c)
	switch {
	case err == nil:
		store.MarkUsed(file)
		return m, nil
	case errors.Is(err, fs.ErrNotExist):
	case errors.Is(err, cache.ErrStale) || errors.Is(err, ErrPackedElsewhere) || isAbout(err, file):
		c.log("a packed file is not used any more", "file", file, "reason", err)
		if err := store.Remove(file); err != nil && !errors.Is(err, loader.ErrFileInUse) {
			c.log("a packed file can't be removed", "file", file, "error", err)
		}
	case c.packed == PackedRequire || ctx.Err() != nil:
		return nil, err
	default: // the model's file is opened instead
		c.log("a packed file is not used", "file", file, "reason", err)
	}
	if c.packed != PackedRequire {
		return nil, nil
	}
	index, err := openIndex(path)
	if err != nil {
		return nil, err
	}
	defer index.Close()
	if index.Packed() != nil {
		return nil, nil
	}
	progress := func(done, total uint64) {
		c.progress(Progress{Mode: LoadMMap, Packing: true, Done: done, Total: total})
	}
	if err := fillCache(ctx, store, path, index, fill{progress: progress}); err != nil {
		return nil, fmt.Errorf("making the required packed file: %w", err)
	}
	m, err = openFile(ctx, file, path, c)
	return m, err
}

// isAbout reports whether an error says that this file is damaged. It may be about another one,
// such as an adapter.
func isAbout(err error, file string) bool {
	var e *gguf.FormatError
	return errors.As(err, &e) && e.File == file
}

// idleBefore is how long no session may have computed before making a packed file begins or
// resumes. Short-lived programs never make one, and busy ones are not slowed down.
var idleBefore = 2 * time.Second

// packLater makes a packed file of the model and moves the model to it in the background, as
// soon as the model is idle.
func (m *Model) packLater() {
	c := m.config
	if c.packed != PackedAuto || !c.wantsPacked() || m.weights.packed != nil || !lasts(m.path) || !repackGains(m.weights.index) {
		return
	}
	store, err := PackedCache(c.cacheDir)
	if err != nil {
		c.log("no packed file is made", "reason", err)
		return
	}
	m.packing = m.activity.Later(idleBefore, func(ctx context.Context) {
		err := m.pack(ctx, store)
		switch {
		case err == nil:
			file := cache.Path(store, m.path)
			moved := make(chan error)
			go func() { moved <- m.moveTo(ctx, file) }() // on a thread of normal priority, as calls may wait for it
			if err := <-moved; err == nil {
				store.MarkUsed(file)
			} else if ctx.Err() == nil {
				c.log("a packed file will be used when the model is opened again", "file", file, "reason", err)
			}
		case ctx.Err() == nil && !errors.Is(err, ErrNothingToPack):
			c.log("no packed file is made", "reason", err)
		}
	})
}

func (m *Model) pack(ctx context.Context, store *packed.Store) error {
	index, err := openIndex(m.path)
	if err != nil {
		return err
	}
	defer index.Close()
	return fillCache(ctx, store, m.path, index, fill{quiet: true, pause: func(ctx context.Context) error {
		if !m.activity.Busy() {
			return ctx.Err()
		}
		return m.activity.Wait(ctx, idleBefore)
	}})
}
