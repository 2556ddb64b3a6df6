//go:build cgo

package runtime_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader/packed"
	"github.com/seed7adf6694/infer/runtime"
)

// ownCopy returns a copy of a model for one test, and an empty cache.
func ownCopy(t *testing.T) (path, cache string) {
	t.Helper()
	if !llama.CanRepack() {
		t.Skip("the engine was compiled without repacking (-DGGML_USE_CPU_REPACK)")
	}
	b, err := os.ReadFile(model(t, "tiny", "q4_0"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path = filepath.Join(dir, "model.gguf")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path, filepath.Join(dir, "cache")
}

func cachedFiles(t *testing.T, dir string) []packed.StoredFile {
	t.Helper()
	files, err := packed.NewStore(dir).Files()
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestARequiredPackedFileIsMadeOnceAndUsed(t *testing.T) {
	path, cache := ownCopy(t)
	so := runtime.SessionOptions{Context: 128, Threads: 1}
	want, _, err := greedy(t.Context(), path, runtime.Options{Load: runtime.LoadCopy}, so, 12)
	if err != nil {
		t.Fatal(err)
	}
	packing := false
	use := func(o runtime.Options) runtime.Report {
		t.Helper()
		packing = false
		o.CacheDir = cache
		o.Progress = func(p runtime.Progress) { packing = packing || p.Packing }
		got, r, err := greedy(t.Context(), path, o, so, 12)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "tokens", got, want)
		return r
	}
	if r := use(runtime.Options{}); r.Packed != 0 || len(cachedFiles(t, cache)) != 0 {
		t.Errorf("a model that is closed at once was packed: %d bytes, %v", r.Packed, cachedFiles(t, cache))
	}
	if r := use(runtime.Options{Packed: runtime.PackedRequire}); r.Packed == 0 || !packing || r.Path != path || r.LoadMode != runtime.LoadMMap || !strings.Contains(r.LoadReason, "cache") {
		t.Errorf("%d bytes packed, packing %v, %s: %v: %s", r.Packed, packing, r.Path, r.LoadMode, r.LoadReason)
	}
	made := cachedFiles(t, cache)
	if len(made) != 1 {
		t.Fatalf("%v", made)
	}
	for _, o := range []runtime.Options{{}, {Packed: runtime.PackedRequire}} {
		if r := use(o); r.Packed == 0 || packing {
			t.Errorf("%v: %d bytes packed, packing %v", o.Packed, r.Packed, packing)
		}
	}
	for _, o := range []runtime.Options{{Packed: runtime.PackedOff}, {Load: runtime.LoadCopy}} {
		if r := use(o); r.Packed != 0 {
			t.Errorf("%v, %v: the cache was used", o.Packed, o.Load)
		}
	}
	if again := cachedFiles(t, cache); len(again) != 1 || again[0].Size != made[0].Size || again[0].Used.Before(made[0].Used) {
		t.Errorf("%v, and was %v", again, made)
	}

	// For a changed source or a damaged file, a required packed file is made again; otherwise
	// none is used.
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(path, later, later); err != nil {
		t.Fatal(err)
	}
	if r := use(runtime.Options{}); r.Packed != 0 || len(cachedFiles(t, cache)) != 0 {
		t.Errorf("the packed file of another version of the model was used or kept: %d bytes, %v", r.Packed, cachedFiles(t, cache))
	}
	use(runtime.Options{Packed: runtime.PackedRequire})
	file := cachedFiles(t, cache)[0].Path
	if err := os.Truncate(file, 100_000); err != nil {
		t.Fatal(err)
	}
	if r := use(runtime.Options{}); r.Packed != 0 || len(cachedFiles(t, cache)) != 0 {
		t.Errorf("a damaged file was used or kept: %d bytes, %v", r.Packed, cachedFiles(t, cache))
	}
	if r := use(runtime.Options{Packed: runtime.PackedRequire}); r.Packed == 0 || !packing {
		t.Errorf("%d bytes packed, packing %v", r.Packed, packing)
	}
	// An error of an adapter does not remove the packed file.
	_, err = runtime.Open(t.Context(), path, runtime.Options{CacheDir: cache, Adapters: []runtime.Adapter{{Path: path}}})
	if err == nil || len(cachedFiles(t, cache)) != 1 {
		t.Errorf("%v, %v", err, cachedFiles(t, cache))
	}
}

func TestSeveralThatRequireAPackedFileMakeOne(t *testing.T) {
	path, cache := ownCopy(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	packings := 0
	for range 4 {
		wg.Go(func() {
			made := false
			m, err := runtime.Open(t.Context(), path, runtime.Options{Packed: runtime.PackedRequire, CacheDir: cache, Progress: func(p runtime.Progress) {
				made = made || p.Packing
			}})
			if err != nil {
				t.Error(err)
				return
			}
			if m.Report().Packed == 0 {
				t.Error("not packed")
			}
			m.Close()
			mu.Lock()
			defer mu.Unlock()
			if made {
				packings++
			}
		})
	}
	wg.Wait()
	if packings != 1 || len(cachedFiles(t, cache)) != 1 {
		t.Errorf("packed %d times: %v", packings, cachedFiles(t, cache))
	}
}

func TestACacheThatCanNotBeIsAReasonOnlyWhereItIsRequired(t *testing.T) {
	path, cache := ownCopy(t)
	if err := os.WriteFile(cache, []byte("a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	open(t, path, runtime.Options{CacheDir: cache})
	for name, tt := range map[string]struct {
		path   string
		o      runtime.Options
		target error
	}{
		"a file in place of the folder": {path, runtime.Options{CacheDir: cache}, nil},
		"nothing to gain":               {tinyF16, runtime.Options{CacheDir: filepath.Join(t.TempDir(), "x")}, runtime.ErrNothingToPack},
		"another mode":                  {path, runtime.Options{Load: runtime.LoadCopy}, runtime.ErrOption},
		"another layout":                {path, runtime.Options{NoRepack: true}, runtime.ErrOption},
	} {
		tt.o.Packed = runtime.PackedRequire
		m, err := runtime.Open(t.Context(), tt.path, tt.o)
		if m != nil {
			m.Close()
		}
		if err == nil || tt.target != nil && !errors.Is(err, tt.target) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := runtime.ParsePackedMode("maybe"); !errors.Is(err, runtime.ErrOption) {
		t.Errorf("%v", err)
	}
	for _, p := range []runtime.PackedMode{runtime.PackedAuto, runtime.PackedOff, runtime.PackedRequire} {
		if q, err := runtime.ParsePackedMode(p.String()); err != nil || q != p {
			t.Errorf("%v, %v", q, err)
		}
	}
	if runtime.PackedMode(0).String() != "auto" {
		t.Error("the default is not auto")
	}
}
