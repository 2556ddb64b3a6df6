package cache

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/seed7adf6694/infer/loader/packed"
)

func TestTheCacheMakesRoom(t *testing.T) {
	dir := t.TempDir()
	store := packed.NewStore(dir)
	free, err := store.Free()
	if err != nil {
		t.Fatal(err)
	}
	if err := makeRoom(store, free/2); !errors.Is(err, ErrNoRoom) {
		t.Errorf("half of what is free: %v", err)
	}
	for i, name := range []string{"old", "new"} {
		f, err := os.Create(store.Path(name))
		if err != nil {
			t.Fatal(err)
		}
		size := int64(free / Share / 2) // sparse
		if err := errors.Join(f.Truncate(size), f.Close()); err != nil {
			t.Skip("no sparse files of that size here:", err)
		}
		at := time.Now().Add(time.Duration(i-5) * time.Hour)
		if err := os.Chtimes(store.Path(name), at, at); err != nil {
			t.Fatal(err)
		}
	}
	if err := makeRoom(store, free/Share/2); err != nil {
		t.Fatal(err)
	}
	files, err := store.Files()
	if err != nil || len(files) != 1 || files[0].Path != store.Path("new") {
		t.Errorf("%v, %v", files, err)
	}
}
