// Package cache keeps packed files of models in a folder: what they are called, whether one is
// still of its model, how much room there is, and that one is made at a time. Opening them, and
// what is written into them, is for others.
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

// Share is the part of a disk that a cache takes at most: one of so many of the bytes that are
// free or taken by it.
const Share = 10

// Usage is what a cache holds, and may hold. Sizes are bytes.
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

// ErrStale is why a packed file of the cache is not of the model as it is now.
var ErrStale = errors.New("the packed file is of another version of the model")

// Path is where the packed file of a model is in a cache: one for each path, engine and kind
// of CPU.
func Path(store *packed.Store, model string) string { return store.Path(name(model)) }

func name(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	sum := sha256.Sum256([]byte(path + "\x00" + llama.EngineVersion + "\x00" + Instructions()))
	base := strings.TrimSuffix(filepath.Base(path), ".gguf")
	return fmt.Sprintf("%.64s-%x", base, sum[:8])
}

// Check checks that a packed file is of the model at a path as it is now.
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

// Fill adds the packed file of a model, of about so many bytes, unless somebody else has
// meanwhile. It waits for others that pack. prepare makes ready to write one, and returns what
// writes it and what is to be called in the end.
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
	if has(store, model) { // by now
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

// has tells whether the cache has the packed file of a model as it is now.
func has(store *packed.Store, path string) bool {
	there, err := loader.OpenWith(Path(store, path), loader.OpenOptions{SkipModel: true})
	if err != nil {
		return false
	}
	defer there.Close()
	return Check(there, path) == nil
}

// lockPeriod is how often somebody who waits for another packer looks again.
const lockPeriod = 100 * time.Millisecond

// ErrNoRoom is why a packed file is not made.
var ErrNoRoom = errors.New("no room for a packed file")

// makeRoom removes the least recently used files until one of that size fits.
func makeRoom(store *packed.Store, size uint64) error {
	usage, files, err := UsageOf(store)
	if err != nil {
		return err
	}
	if size > usage.Limit {
		return fmt.Errorf("%w in %s: %s, and the cache takes %s at most, a tenth of what the disk has for it: write the file elsewhere",
			ErrNoRoom, usage.Dir, words.Size(size), words.Size(usage.Limit))
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
			ErrNoRoom, usage.Dir, words.Size(size), words.Size(usage.Used), words.Size(usage.Limit), errors.Join(failed...))
	}
	return nil
}

// Instructions names what the engine was compiled for, as far as that decides how it lays
// weights out.
func Instructions() string {
	compiled := llama.CompiledFeatures()
	for _, name := range []string{"avx512", "avx2", "avx", "sve", "matmul_int8", "dotprod", "neon"} {
		if slices.Contains(compiled, name) {
			return name
		}
	}
	return "any CPU"
}

// SameFile tells whether two paths lead to one file.
func SameFile(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}
