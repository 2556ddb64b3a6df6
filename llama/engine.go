//go:build cgo

package llama

// The engine: llama.cpp and ggml as Go packages that cgo compiles. They export
// nothing to Go; importing them links their native code into the program.
import (
	_ "github.com/ollama/ollama/llama/llama.cpp/src"
	_ "github.com/ollama/ollama/ml/backend/ggml/ggml/src"
)

// #cgo CXXFLAGS: -std=c++17
// #cgo linux windows LDFLAGS: -Wl,--wrap=ggml_backend_sched_new -Wl,--wrap=ggml_backend_sched_reserve -Wl,--wrap=ggml_backend_buffer_free -Wl,--wrap=ggml_backend_free
// #cgo linux,amd64 linux,arm64 LDFLAGS: -Wl,--wrap=_ZNK10llama_file8read_rawEPvm
// #cgo windows,amd64 windows,arm64 LDFLAGS: -Wl,--wrap=_ZNK10llama_file8read_rawEPvy
// #include "engine_table.h"
import "C"

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"unsafe"

	"github.com/seed7adf6694/infer/llama/engines"
	"github.com/seed7adf6694/infer/llama/internal/enginepath"
)

// engine is the engine in use.
var engine struct {
	mu      sync.Mutex
	started bool
	info    EngineInfo
}

// start prepares the engine on first use and refuses one of another version.
var start = sync.OnceValue(func() error {
	engine.mu.Lock()
	defer engine.mu.Unlock()
	engine.started = true
	if engine.info.Folder == "" {
		if err := checkEngineVersion(); err != nil {
			return err
		}
	}
	if err := chooseKernels(); err != nil {
		return err
	}
	C.infer_init()
	return nil
})

// UseEngine loads an engine from a folder of shared libraries (see package engines) and uses it in this
// process from now on, in place of the compiled-in one. It must be called before any other function of
// this package, and once at most: then the error wraps [ErrEngineInUse]. An engine of another version
// than llama.cpp v0.4 or v0.5, or with another layout of its structs, is refused with
// [ErrEngineVersion]. The libraries run as code of this process, also those that are refused.
func UseEngine(folder string) error {
	f, err := engines.Open(folder)
	if err != nil {
		return err
	}
	if f.Err != nil {
		return f.Err
	}
	base, ggml, library := f.Engines[0].Paths(f.Path)
	list := append([]string{base, ggml, library}, f.BackendDirs...)
	for i := range list {
		list[i] = enginepath.Native(list[i])
	}
	paths, free, err := cStrings(list)
	if err != nil {
		return err
	}
	defer free()
	engine.mu.Lock()
	defer engine.mu.Unlock()
	if engine.started || engine.info.Folder != "" {
		return fmt.Errorf("%w: choose one before", ErrEngineInUse)
	}
	var e C.infer_error
	array := unsafe.Slice(paths, len(list))
	if !C.infer_load_v05(array[0], array[1], array[2], unsafe.SliceData(array[3:]), C.size_t(len(array)-3), &e) {
		return fmt.Errorf("%w: %q: %s", ErrEngineVersion, folder, C.GoString(&e.what[0]))
	}
	engine.info = EngineInfo{ABI: ABIv05, Version: C.GoString(C.infer_version()), Folder: f.Path, Library: f.Engines[0].Llama}
	return nil
}

// Engine describes the engine that this process uses.
func Engine() EngineInfo {
	engine.mu.Lock()
	defer engine.mu.Unlock()
	if engine.info.Folder != "" {
		return engine.info
	}
	return builtinEngine
}

// failure returns the error of a guarded call.
func failure(call string, e *C.infer_error, home *home) error {
	err := &Error{Call: call, Reason: oneLine(C.GoString(&e.log[0])), Err: home.takeError()}
	what := strings.TrimSpace(C.GoString(&e.what[0]))
	switch e.kind {
	case C.INFER_NO_MEMORY:
		err.Kind = ErrNoMemory
	case C.INFER_ASSERT:
		err.Kind, err.Reason = ErrBroken, what
	case C.INFER_TOO_MUCH:
		err.Kind, err.Reason = ErrTooMuch, what
	case C.INFER_NO_CHOICE:
		err.Kind, err.Reason = ErrNoChoice, what
	case C.INFER_EXCEPTION:
		err.Reason = what
	}
	if err.Kind == nil && (err.Err != nil || ranOut(C.GoString(&e.log[0]))) {
		err.Kind = ErrNoMemory
	}
	return err
}

// ranOut reports whether the engine's log says that an allocation failed: the engine catches some
// exceptions itself.
func ranOut(log string) bool {
	for _, words := range []string{"std::bad_alloc", "failed to allocate", "unable to allocate", "insufficient memory"} {
		if strings.Contains(log, words) {
			return true
		}
	}
	return false
}

// broken reports whether the engine's state is undefined after the call.
func broken(err error) bool { return errors.Is(err, ErrBroken) }

// cString returns s as a C string. The caller frees it.
func cString(s string) (*C.char, error) {
	if strings.IndexByte(s, 0) >= 0 {
		return nil, argument("%q contains a NUL byte", s)
	}
	return C.CString(s), nil
}

// cPath returns a path for the engine as a C string. The caller frees it.
func cPath(path string) (*C.char, error) { return cString(enginepath.Native(path)) }

func cFree(p unsafe.Pointer) { C.free(p) }

// cStrings returns an array of C strings and a function that frees it; nil for no strings.
func cStrings(list []string) (array **C.char, free func(), err error) {
	if len(list) == 0 {
		return nil, func() {}, nil
	}
	array = (**C.char)(C.calloc(C.size_t(len(list)), C.size_t(unsafe.Sizeof(uintptr(0)))))
	strings := unsafe.Slice(array, len(list))
	free = func() {
		for _, s := range strings {
			C.free(unsafe.Pointer(s))
		}
		C.free(unsafe.Pointer(array))
	}
	for i, s := range list {
		if strings[i], err = cString(s); err != nil {
			free()
			return nil, nil, err
		}
	}
	return array, free, nil
}

// errorPool reuses infer_errors in calls that are made for every token: an infer_error has 2 KiB
// and escapes to the heap, since C gets its address.
var errorPool = sync.Pool{New: func() any { return new(C.infer_error) }}
