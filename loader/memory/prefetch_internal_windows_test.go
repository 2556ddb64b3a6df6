package memory

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/seed7adf6694/infer/loader/internal/space"
)

func TestPrefetchOfWindows(t *testing.T) {
	want := make([]byte, 1<<20)
	for i := range want {
		want[i] = byte(i*31 + i>>8*7)
	}
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, want, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	v, err := MapFiles(nil, PurposeWeights, []FileRange{{f, 0, 1 << 20}})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if !prefetchVirtual(v.Base(), 1<<20) {
		t.Error("PrefetchVirtualMemory is refused")
	}
	if err := Prefetch(t.Context(), f, v.Base(), 0, 1<<20); err != nil || !bytes.Equal(space.BytesAt(v.Base(), 1<<20), want) {
		t.Error(err)
	}
}
