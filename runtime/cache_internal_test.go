//go:build cgo

package runtime

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader/packed"
	"github.com/seed7adf6694/infer/models"
)

// openWithCache opens the tiny model with an empty cache.
func openWithCache(t *testing.T) (m *Model, path, dir string) {
	t.Helper()
	if !llama.CanRepack() {
		t.Skip("the engine was compiled without repacking (-DGGML_USE_CPU_REPACK)")
	}
	path, err := models.Tiny()
	if err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(t.TempDir(), "cache")
	m, err = Open(t.Context(), path, Options{CacheDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return m, path, dir
}

func TestAnIdleModelIsPacked(t *testing.T) {
	defer func(d time.Duration) { idleBefore = d }(idleBefore)
	idleBefore = time.Millisecond
	m, path, dir := openWithCache(t)
	<-m.packing.done
	m.Close()
	again, err := Open(t.Context(), path, Options{CacheDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if again.Report().Packed == 0 || again.packing != nil {
		t.Errorf("%+v", again.Report())
	}
}

func TestABusyModelIsNotPacked(t *testing.T) {
	m, _, dir := openWithCache(t)
	m.Close() // ends what waits
	select {
	case <-m.packing.done:
	default:
		t.Error("it goes on when the model has been closed")
	}
	if files, err := packed.NewStore(dir).Files(); err != nil || len(files) > 0 {
		t.Errorf("%v, %v", files, err)
	}
	var a activity
	a.begin()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := a.wait(ctx, 0); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a call runs, and: %v", err)
	}
	a.end()
	if err := a.wait(t.Context(), time.Millisecond); err != nil {
		t.Error(err)
	}
}

func TestTheCacheMakesRoom(t *testing.T) {
	dir := t.TempDir()
	store := packed.NewStore(dir)
	free, err := store.Free()
	if err != nil {
		t.Fatal(err)
	}
	if err := makeRoom(store, free/2); !errors.Is(err, errNoRoom) {
		t.Errorf("half of what is free: %v", err)
	}
	for i, name := range []string{"old", "new"} {
		f, err := os.Create(store.Path(name))
		if err != nil {
			t.Fatal(err)
		}
		size := int64(free / CacheShare / 2) // sparse
		if err := errors.Join(f.Truncate(size), f.Close()); err != nil {
			t.Skip("no sparse files of that size here:", err)
		}
		at := time.Now().Add(time.Duration(i-5) * time.Hour)
		if err := os.Chtimes(store.Path(name), at, at); err != nil {
			t.Fatal(err)
		}
	}
	if err := makeRoom(store, free/CacheShare/2); err != nil {
		t.Fatal(err)
	}
	files, err := store.Files()
	if err != nil || len(files) != 1 || files[0].Path != store.Path("new") {
		t.Errorf("%v, %v", files, err)
	}
}
