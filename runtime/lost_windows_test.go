//go:build cgo

package runtime

import (
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/windows"

	"github.com/seed7adf6694/infer/models"
)

// A model's lost disk, such as an unplugged USB stick, is an error of the generation and does
// not end the process.
func TestAFileThatGoesAwayIsAnErrorAndNotTheEnd(t *testing.T) {
	path, err := models.Tiny()
	if err != nil {
		t.Fatal(err)
	}
	m, err := Open(t.Context(), path, Options{Load: LoadMMap, Packed: PackedOff})
	if err != nil {
		t.Fatal(err)
	}
	s, err := m.NewSession(t.Context(), SessionOptions{Context: 128})
	if err != nil {
		t.Fatal(err)
	}
	raise := windows.NewLazySystemDLL("kernel32.dll").NewProc("RaiseException")
	for p := range m.weights.memory.Mapped() {
		// The exception for a page that can't be read.
		arguments := [3]uintptr{0, uintptr(p), 0xC000009D} // a read; device not connected
		_, _, _ = raise.Call(0xC0000006, 0, uintptr(len(arguments)), uintptr(unsafe.Pointer(&arguments[0])))
	}
	var failed error
	for _, err := range s.Generate(t.Context(), "Once", GenerateOptions{MaxTokens: 8, IgnoreEOG: true}) {
		if err != nil {
			failed = err
		}
	}
	if failed == nil || !strings.Contains(failed.Error(), "could not be read from the disk") {
		t.Errorf("%v", failed)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}
