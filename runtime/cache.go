package runtime

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/loader/packed"
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
const CacheShare = 10

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
	usage, _, err := usageOf(store)
	return usage, err
}

// usageOf measures a cache, and lists its files as [packed.Store.Files] does.
func usageOf(store *packed.Store) (usage CacheUsage, files []packed.StoredFile, err error) {
	usage.Dir = store.Dir()
	if files, err = store.Files(); err != nil {
		return usage, nil, err
	}
	free, err := store.Free()
	if err != nil {
		return usage, nil, err
	}
	usage.Files = len(files)
	for _, f := range files {
		usage.Used += f.Size
	}
	usage.Limit = (free + usage.Used) / CacheShare
	return usage, files, nil
}

// reasonCached is why a model is mapped from a packed file of the cache.
const reasonCached = "packed for this CPU, from the cache: as fast as a copy"

// errStale is why a packed file of the cache is not of the model as it is now.
var errStale = errors.New("the packed file is of another version of the model")

// wantsPacked tells whether a packed file of the cache may stand in for the model's own.
func (c *config) wantsPacked() bool {
	return c.packed == PackedRequire || c.packed == PackedAuto && c.load == LoadAuto && c.repack && c.gpuLayers == 0 && c.pool == nil && llama.CanRepack()
}

// lasts tells whether a path means the same file to the next process.
func lasts(path string) bool { return !strings.HasPrefix(path, "/proc/") }

// packedFileName is what the packed file of a model is called in a cache: one for each path,
// engine and kind of CPU.
func packedFileName(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	sum := sha256.Sum256([]byte(path + "\x00" + llama.EngineVersion + "\x00" + instructions()))
	base := strings.TrimSuffix(filepath.Base(path), ".gguf")
	return fmt.Sprintf("%.64s-%x", base, sum[:8])
}

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
	file := store.Path(packedFileName(path))
	m, err := openFile(ctx, file, path, c)
	switch {
	case err == nil:
		store.MarkUsed(file)
		return m, nil
	case errors.Is(err, fs.ErrNotExist):
	case errors.Is(err, errStale) || errors.Is(err, ErrPackedElsewhere) || isAbout(err, file):
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

// ofCache checks that a packed file is of the model at a path as it is now.
func ofCache(index *gguf.Index, path string) error {
	p := index.Packed()
	if p == nil {
		return errStale
	}
	if abs, err := filepath.Abs(path); err != nil || abs != p.Source[0].Path {
		if !same(path, p.Source[0].Path) {
			return errStale
		}
	}
	source, err := packed.OpenSource(p)
	if err != nil {
		return errors.Join(errStale, err)
	}
	return source.Close()
}

// fill is how a packed file is made for the cache.
type fill struct {
	quiet    bool // keep out of the way of what computes
	pause    func(context.Context) error
	progress loader.Progress
}

// fillCache makes the packed file of a model, unless somebody else has meanwhile. It waits
// for others that pack.
func fillCache(ctx context.Context, store *packed.Store, path string, index *gguf.Index, how fill) error {
	if isCached(store, path) {
		return nil
	}
	lock, err := store.Lock()
	for errors.Is(err, packed.ErrStoreBusy) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(lockPeriod):
		}
		lock, err = store.Lock()
	}
	if err != nil {
		return err
	}
	defer lock.Close()
	if isCached(store, path) { // by now
		return nil
	}
	p, err := newPacking(ctx, path, index)
	if err != nil {
		return err
	}
	defer p.close()
	if err := makeRoom(store, index.Bytes()); err != nil {
		return err
	}
	return lock.Add(packedFileName(path), func(f *os.File) error { return p.write(ctx, f, how) })
}

// isCached tells whether the cache has the packed file of a model as it is now.
func isCached(store *packed.Store, path string) bool {
	there, err := loader.OpenWith(store.Path(packedFileName(path)), loader.OpenOptions{SkipModel: true})
	if err != nil {
		return false
	}
	defer there.Close()
	return ofCache(there, path) == nil
}

// lockPeriod is how often somebody who waits for another packer looks again.
const lockPeriod = 100 * time.Millisecond

// errNoRoom is why a packed file is not made.
var errNoRoom = errors.New("no room for a packed file")

// makeRoom removes the least recently used files until one of that size fits.
func makeRoom(store *packed.Store, size uint64) error {
	usage, files, err := usageOf(store)
	if err != nil {
		return err
	}
	if size > usage.Limit {
		return fmt.Errorf("%w in %s: %s, and the cache takes %s at most, a tenth of what the disk has for it: write the file elsewhere",
			errNoRoom, usage.Dir, words.Size(size), words.Size(usage.Limit))
	}
	var failed []error // of files that stay: others may do
	for _, f := range files {
		if usage.Used+size <= usage.Limit {
			break
		}
		if err := store.RemoveUnused(f.Path); err != nil {
			failed = append(failed, err)
			continue
		}
		usage.Used -= f.Size
	}
	if usage.Used+size > usage.Limit {
		return fmt.Errorf("%w in %s: %s, and the cache has %s of %s at most: %w",
			errNoRoom, usage.Dir, words.Size(size), words.Size(usage.Used), words.Size(usage.Limit), errors.Join(failed...))
	}
	return nil
}
