package pull

import (
	"errors"
	"path/filepath"
	"testing"
)

func TestSpaceIsAskedForBefore(t *testing.T) {
	defer func(f func(string) (uint64, error)) { diskFree = f }(diskFree)
	diskFree = func(string) (uint64, error) { return 100, nil }
	dir := t.TempDir()
	p := &puller{o: Options{Dir: dir}}
	list := []remote{{path: filepath.Join(dir, "a.gguf"), size: 60}, {path: filepath.Join(dir, "b.gguf"), size: 41}}
	var e *SpaceError
	if err := p.checkSpace(list); !errors.As(err, &e) || e.Need != 101 || e.Free != 100 {
		t.Error(err)
	}
	if err := p.checkSpace(list[:1]); err != nil {
		t.Error(err)
	}
}
