package cache

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/packed"
)

// Files in use are kept, and unused ones are removed to make room.
func TestMakingRoomGoesPastFilesInUse(t *testing.T) {
	store := packed.NewStore(t.TempDir())
	free, err := store.Free()
	if err != nil {
		t.Fatal(err)
	}
	size := free / Share / 2
	for i, name := range []string{"old", "middle"} {
		f, err := os.Create(store.Path(name))
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(f.Truncate(int64(size)), f.Close()); err != nil { // sparse
			t.Skip("no sparse files of that size here:", err)
		}
		at := time.Now().Add(time.Duration(i-5) * time.Hour)
		if err := os.Chtimes(store.Path(name), at, at); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Open(store.Path("old"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := makeRoom(store, size); err != nil {
		t.Fatal(err)
	}
	files, err := store.Files()
	if err != nil || len(files) != 1 || files[0].Path != store.Path("old") {
		t.Errorf("%v, %v", files, err)
	}
	usage, _, err := UsageOf(store)
	if err != nil {
		t.Fatal(err)
	}
	if err := makeRoom(store, usage.Limit-size/2); !errors.Is(err, ErrNoRoom) || !errors.Is(err, loader.ErrFileInUse) {
		t.Errorf("no room beside what is in use: %v", err)
	}
}
