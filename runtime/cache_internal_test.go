//go:build cgo

package runtime

import (
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
	<-m.packing.Done()
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
	defer func(d time.Duration) { idleBefore = d }(idleBefore)
	idleBefore = time.Hour
	m, _, dir := openWithCache(t)
	m.Close() // stops the background work
	select {
	case <-m.packing.Done():
	default:
		t.Error("it goes on when the model has been closed")
	}
	if files, err := packed.NewStore(dir).Files(); err != nil || len(files) > 0 {
		t.Errorf("%v, %v", files, err)
	}
}
