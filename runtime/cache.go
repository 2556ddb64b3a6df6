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

// PackedMode is whether packed files are kept in a cache and used.
type PackedMode int

const (
	// PackedAuto uses the packed file that the cache has of a model, with [LoadAuto] where
	// nothing asks for another layout, and makes one while the model is open and idle. The
	// model then moves to it between two calls: sessions keep what they hold, and a copy's
	// private memory is given back. One that streams within a budget uses it when it is
	// opened again. A cache that can't be written to, or has no room, is told to the logger
	// and gone without.
	PackedAuto PackedMode = iota
	// PackedOff neither uses nor makes any.
	PackedOff
	// PackedRequire makes the packed file before the model is opened where it is missing,
	// and is an error where that fails.
	PackedRequire
)

var packedModes = []string{"auto", "off", "require"}

func (p PackedMode) String() string { return enumName("PackedMode", p, packedModes) }

// ParsePackedMode is the inverse of String.
func ParsePackedMode(s string) (PackedMode, error) {
	return parseEnum[PackedMode]("packed mode", s, packedModes)
}

// CacheShare is the part of a disk that the cache of packed files takes at most: one of so
// many of the bytes that are free or taken by it.
const CacheShare = cache.Share

// PackedCacheVariable names the environment variable with the folder of packed files.
const PackedCacheVariable = "INFER_PACKED_CACHE"

// PackedCache is the folder in which packed files are kept: dir, or where that is "",
// what [PackedCacheVariable] says, or infer/packed in the user's cache folder ([os.UserCacheDir]).
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

// CacheUsage is what a cache of packed files holds, and may hold. Sizes are bytes.
type CacheUsage struct {
	Dir   string `json:"folder"`
	Files int    `json:"files"`
	Used  uint64 `json:"used_bytes"`
	Limit uint64 `json:"limit_bytes"` // by [CacheShare], of the disk as it is now
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

// reasonCached is why a model is mapped from a packed file of the cache.
const reasonCached = "packed for this CPU, from the cache: as fast as a copy"

// wantsPacked tells whether a packed file of the cache may stand in for the model's own.
func (c *config) wantsPacked() bool {
	return c.packed == PackedRequire || c.packed == PackedAuto && c.load == LoadAuto && c.repack && c.gpuLayers == 0 && c.pool == nil && llama.CanRepack()
}

// lasts tells whether a path means the same file to the next process.
func lasts(path string) bool { return !strings.HasPrefix(path, "/proc/") }

// openCached opens the packed file that the cache has of a model. Where there is none that
// is good, the model is nil, and so is the error unless one is required.
func openCached(ctx context.Context, path string, c *config) (*Model, error) {
	if !c.wantsPacked() || c.packed == PackedAuto && !lasts(path) {
		return nil, nil
	}
	store, err := PackedCache(c.cacheDir)
	if err != nil {
		if c.packed != PackedRequire {
			c.log("no packed file is used", "reason", err)
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
	default: // the model's own file may do
		c.log("a packed file is not used", "file", file, "reason", err)
	}
	if c.packed != PackedRequire {
		return nil, nil
	}
	index, err := loader.Open(path)
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
		return nil, fmt.Errorf("a packed file is required: %w", err)
	}
	m, err = openFile(ctx, file, path, c)
	return m, err
}

// isAbout tells whether an error says that a file is damaged, rather than an adapter's, say.
func isAbout(err error, file string) bool {
	var e *gguf.FormatError
	return errors.As(err, &e) && e.File == file
}

// idleBefore is for how long no session must have computed before a packed file is made,
// or goes on being made. Programs that generate and end never get there, and nothing is
// taken from those that are busy.
var idleBefore = 2 * time.Second

// packLater begins to wait for a time in which a packed file of the model can be made, and
// for one in which the model can be moved to it.
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
			go func() { moved <- m.moveTo(ctx, file) }() // on a thread that calls may wait for
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
	index, err := loader.Open(m.path)
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
