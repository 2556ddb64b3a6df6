//go:build cgo

package server

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"testing"

	"github.com/seed7adf6694/infer/runtime"
)

// fleetOfOne returns the models of a folder, which has one, and its place.
func fleetOfOne(t *testing.T) (*fleet, *place) {
	t.Helper()
	s, p := serverOfOne(t)
	return s.fleet, p
}

// serverOfOne returns a server of a folder that has one model, and the model's place.
func serverOfOne(t *testing.T) (*Server, *place) {
	t.Helper()
	data, err := os.ReadFile("../../models/tiny/tiny-stories-f16.gguf")
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Dir: t.TempDir(), Open: runtime.Options{Packed: runtime.PackedOff}}
	o.Batch.Context, o.Batch.Threads = 256, 1
	if err := os.WriteFile(filepath.Join(o.Dir, "one.gguf"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := New(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	p, err := s.fleet.find("one")
	if err != nil {
		t.Fatal(err)
	}
	return s, p
}

// waitFor waits for what another goroutine does with the fleet's lock held.
func (f *fleet) waitFor(is func() bool) {
	for {
		f.mu.Lock()
		yes := is()
		f.mu.Unlock()
		if yes {
			return
		}
		goruntime.Gosched()
	}
}

// TestAModelThatIsOpenedKeepsItsPlace reads the folder again, without the model, while a request waits
// for it to be opened.
func TestAModelThatIsOpenedKeepsItsPlace(t *testing.T) {
	f, p := fleetOfOne(t)
	f.turn <- struct{}{}
	errs := make(chan error)
	go func() {
		_, release, err := f.use(context.Background(), p)
		if err == nil {
			defer release()
		}
		errs <- err
	}()
	f.waitFor(func() bool { return p.users > 0 })
	dir := f.o.Dir
	f.o.Dir = t.TempDir()
	if err := f.scan(); err != nil {
		t.Fatal(err)
	}
	f.o.Dir = dir
	<-f.turn
	if err := <-errs; err != nil || p.live == nil || !slices.Contains(f.places, p) {
		t.Errorf("%v, %v of %v: nobody closes it", err, p, f.places)
	}
	f.waitFor(func() bool { return p.users == 0 })
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if !f.closeOldest(nil) {
		t.Fatal("in use")
	}
	f.turn <- struct{}{}
	if _, _, err := f.use(ctx, p); err == nil || p.users != 0 {
		t.Errorf("%v, %d users after an error", err, p.users)
	}
	<-f.turn
}

// TestALookKeepsNoModelFromBeingClosed closes a model for another while its figures are read.
func TestALookKeepsNoModelFromBeingClosed(t *testing.T) {
	f, p := fleetOfOne(t)
	_, release, err := f.use(context.Background(), p)
	if err != nil {
		t.Fatal(err)
	}
	release()
	closed := make(chan bool, 1)
	f.snapshot(func(_ string, l *live) {
		go func() { closed <- f.closeOldest(nil) }()
		f.waitFor(func() bool { return p.live == nil || len(closed) > 0 })
		if _, err := l.model.Tokenize("a", runtime.TokenizeOptions{}); err != nil {
			t.Errorf("while one looks: %v", err)
		}
	})
	if !<-closed {
		t.Error("a look is a use")
	}
}

// TestModelsOfOneNameAreCountedOnce has a file and shards of one name, and a file that has gone and come
// back since a request has found it.
func TestModelsOfOneNameAreCountedOnce(t *testing.T) {
	s, p := serverOfOne(t)
	f := s.fleet
	away := p.path + ".away"
	if err := os.Rename(p.path, away); err != nil {
		t.Fatal(err)
	}
	if err := f.scan(); err != nil {
		t.Fatal(err)
	}
	_, release, err := f.use(context.Background(), p)
	if err == nil {
		release()
	}
	if e := asAPIError(err); e.status != http.StatusNotFound || e.code != "model_not_found" {
		t.Errorf("of a file that has gone: %d, %+v", e.status, e)
	}
	if err := f.scan(); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(away, p.path); err != nil {
		t.Fatal(err)
	}
	if _, err := f.find("one"); err != nil {
		t.Fatal(err)
	}
	if _, release, err = f.use(context.Background(), p); err != nil {
		t.Fatal(err)
	}
	defer release()
	for _, name := range []string{"one-00001-of-00002.gguf", "one-00002-of-00002.gguf"} {
		if err := os.WriteFile(filepath.Join(f.o.Dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.scan(); err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Errorf("%d: %s", w.Code, w.Body)
	}
}
