// Package cache keeps packed files of models in a folder. It names them, checks that a file
// belongs to the present version of its model, limits their total size, and lets one process
// write at a time. It neither opens models nor writes the contents of packed files.
package cache

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/loader/packed"
)

// Share bounds a cache: it takes at most 1/Share of the bytes of the disk that are free or
// taken by the cache.
const Share = 10

// Usage is the size of a cache and its limit. Sizes are bytes.
type Usage struct {
	Dir   string
	Files int
	Used  uint64
	Limit uint64
}

// UsageOf measures a cache, and lists its files as [packed.Store.Files] does.
func UsageOf(store *packed.Store) (usage Usage, files []packed.StoredFile, err error) {
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
	usage.Limit = (free + usage.Used) / Share
	return usage, files, nil
}

// ErrStale is returned for a packed file that was not made from the present version of the
// model.
var ErrStale = errors.New("the packed file is of another version of the model")

// Path returns the path of a model's packed file in a cache. It depends on the model's path,
// the engine's version and the kind of CPU.
func Path(store *packed.Store, model string) string { return store.Path(name(model)) }

func name(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	sum := sha256.Sum256([]byte(path + "\x00" + llama.Engine().Layouts() + "\x00" + Instructions()))
	base := strings.TrimSuffix(filepath.Base(path), ".gguf")
	return fmt.Sprintf("%.64s-%x", base, sum[:8])
}

// Check returns [ErrStale] unless a packed file was made from the present version of the model
// at path.
func Check(index *gguf.Index, path string) error {
	p := index.Packed()
	if p == nil {
		return ErrStale
	}
	if abs, err := filepath.Abs(path); err != nil || abs != p.Source[0].Path {
		if !SameFile(path, p.Source[0].Path) {
			return ErrStale
		}
	}
	source, err := packed.OpenSource(p)
	if err != nil {
		return errors.Join(ErrStale, err)
	}
	return source.Close()
}

// Fill adds the packed file of a model, of about size bytes, unless the cache has it. It waits
// while another process writes to the cache, until ctx ends. prepare returns a function that
// writes the file, and one that Fill calls at the end.
func Fill(ctx context.Context, store *packed.Store, model string, size uint64, prepare func() (write func(*os.File) error, done func(), err error)) error {
	if has(store, model) {
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
	if has(store, model) { // added while Fill waited
		return nil
	}
	write, done, err := prepare()
	if err != nil {
		return err
	}
	defer done()
	if err := makeRoom(store, size); err != nil {
		return err
	}
	return lock.Add(name(model), write)
}

// has reports whether the cache has a packed file of the present version of a model.
func has(store *packed.Store, path string) bool {
	there, err := loader.OpenWith(Path(store, path), loader.OpenOptions{SkipModel: true})
	if err != nil {
		return false
	}
	defer there.Close()
	return Check(there, path) == nil
}

// lockPeriod is the time between two attempts to lock the cache.
const lockPeriod = 100 * time.Millisecond

// ErrNoRoom is returned for a packed file that would exceed the cache's limit.
var ErrNoRoom = errors.New("no room for a packed file")

// makeRoom removes the least recently used files until a file of size bytes fits.
func makeRoom(store *packed.Store, size uint64) error {
	usage, files, err := UsageOf(store)
	if err != nil {
		return err
	}
	if size > usage.Limit {
		return fmt.Errorf("%w in %s: it needs %s, and the cache is limited to %s, a tenth of the disk's free space: free disk space, or use another folder",
			ErrNoRoom, usage.Dir, words.Size(size), words.Size(usage.Limit))
	}
	var failed []error // of files that could not be removed
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
		return fmt.Errorf("%w in %s: it needs %s, and files that can't be removed take %s of the limit of %s: %w",
			ErrNoRoom, usage.Dir, words.Size(size), words.Size(usage.Used), words.Size(usage.Limit), errors.Join(failed...))
	}
	return nil
}

// Instructions names the instruction set, of those that the engine was compiled for, that
// decides the layout of repacked weights.
func Instructions() string {
	compiled := llama.CompiledFeatures()
	for _, name := range []string{"avx512", "avx2", "avx", "sve", "matmul_int8", "dotprod", "neon"} {
		if slices.Contains(compiled, name) {
			return name
		}
	}
	return "any CPU"
}

// SameFile reports whether two paths name the same file.
func SameFile(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}
