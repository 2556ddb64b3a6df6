//go:build cgo

package llama

// #include "shim_layers.h"
import "C"

import (
	"runtime"
	"unsafe"
)

// Weights lists the tensors of an unbound model that must be bound; nil for other models. The order
// is the engine's. The other methods identify a tensor by its index in this list.
func (m *Model) Weights() ([]Weight, error) {
	if err := m.s.life.acquire(); err != nil {
		return nil, err
	}
	defer m.s.life.release()
	if m.s.weights == nil {
		return nil, nil
	}
	ws := make([]Weight, len(m.s.bound))
	for i := range ws {
		w := C.infer_weights_at(m.s.weights, C.size_t(i))
		ws[i] = Weight{Name: C.GoString(w.name), Size: uint64(w.size), Stored: uint64(w.stored), Kind: WeightKind(w.kind), Device: C.GoString(w.device), DeviceSize: uint64(w.device_size), Whole: bool(w.whole)}
	}
	return ws, nil
}

// Bind binds host tensor i to its bytes, which must stay readable until the model has been freed.
func (m *Model) Bind(i int, data unsafe.Pointer) error {
	return m.provide(i, WeightHost, func(w *C.infer_weights) error {
		C.infer_weights_bind(w, C.size_t(i), data)
		return nil
	})
}

// Repack converts the bytes of tensor i at src into the layout of its buffer type at dst, a block
// of [Weight].Stored bytes that must stay valid until the model has been freed. src is not used after the
// call.
func (m *Model) Repack(i int, dst, src unsafe.Pointer) error {
	return m.provide(i, WeightRepack, func(w *C.infer_weights) error {
		var e C.infer_error
		if !C.infer_weights_repack(w, C.size_t(i), dst, src, &e) {
			return failure("repack", &e, nil)
		}
		return nil
	})
}

// Place allocates the memory of devices for all tensors of kind [WeightDevice], in buffers of at most
// the block size of the model's Blocks where a tensor is not larger, and admitted by its
// [DeviceBlocks]. A refusal is an error that wraps [ErrNoMemory]; errors.As to *DeviceError gives the
// device. The buffers before it are kept until the model is freed.
func (m *Model) Place() error {
	if err := m.s.life.acquire(); err != nil {
		return err
	}
	defer m.s.life.release()
	if m.s.weights == nil {
		return argument("the model was not loaded with ModelParams.Unbound")
	}
	var e C.infer_error
	if !C.infer_weights_place(m.s.weights, m.s.home.scope(C.INFER_PURPOSE_WEIGHTS), &e) {
		return failure("place", &e, m.s.home)
	}
	return nil
}

// Upload copies size bytes at src to offset of device tensor i. The tensor counts
// as bound when its last byte has been copied.
func (m *Model) Upload(i int, src unsafe.Pointer, offset, size uint64) error {
	return m.unbound(i, func(w C.infer_weight) error {
		if kind := WeightKind(w.kind); kind != WeightDevice {
			return argument("tensor %q is of kind %s, not %s", C.GoString(w.name), kind, WeightDevice)
		}
		if offset > uint64(w.size) || size > uint64(w.size)-offset {
			return argument("tensor %q: %d bytes at offset %d are beyond its %d bytes", C.GoString(w.name), size, offset, uint64(w.size))
		}
		if bool(w.whole) && size != uint64(w.size) {
			return argument("tensor %q: device %s takes it in one piece of %d bytes", C.GoString(w.name), C.GoString(w.device), uint64(w.size))
		}
		var e C.infer_error
		if !C.infer_weights_upload(m.s.weights, C.size_t(i), src, C.size_t(offset), C.size_t(size), &e) {
			return failure("ggml_backend_tensor_set", &e, m.s.home)
		}
		if offset+size == uint64(w.size) {
			m.s.done(i)
		}
		return nil
	})
}

func (m *Model) provide(i int, kind WeightKind, f func(*C.infer_weights) error) error {
	return m.unboundOf(i, kind, func(string) error {
		if err := f(m.s.weights); err != nil {
			return err
		}
		m.s.done(i)
		return nil
	})
}

// unbound calls f with a tensor of an unbound model. The model cannot be freed during the call.
func (m *Model) unbound(i int, f func(w C.infer_weight) error) error {
	if err := m.s.life.acquire(); err != nil {
		return err
	}
	defer m.s.life.release()
	if m.s.weights == nil || i < 0 || i >= len(m.s.bound) {
		return invalid("tensor", i, "out of range: the unbound model has %d tensors", len(m.s.bound))
	}
	return f(C.infer_weights_at(m.s.weights, C.size_t(i)))
}

// unboundOf is unbound with the name of a tensor of a kind.
func (m *Model) unboundOf(i int, kind WeightKind, f func(name string) error) error {
	return m.unbound(i, func(w C.infer_weight) error {
		name := C.GoString(w.name)
		if k := WeightKind(w.kind); k != kind {
			return argument("tensor %q is of kind %s, not %s", name, k, kind)
		}
		return f(name)
	})
}

func (s *modelState) done(i int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.bound[i] {
		s.bound[i] = true
		s.pending--
	}
}

// complete returns ErrUnbound while weights are missing.
func (s *modelState) complete() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pending > 0 {
		return ErrUnbound
	}
	return nil
}

// Rebind binds all tensors of m to the bytes to which those of another model are bound, in the
// other's layouts: for example, from a mapping of the plain file to a mapping of its packed file.
// Tensors whose rows are also looked up, such as tied embeddings, keep their layout. m must be
// unbound at load and completely bound by now; both models must have the same tensors, all in host
// memory, and none of m's may be streamed. Otherwise Rebind returns an error of the engine or
// [ErrArgument], and nothing has changed.
//
// The bytes to which other is bound must stay valid until m has been freed; other itself may be
// closed. No context of m may compute during the call. Contexts keep their state.
func (m *Model) Rebind(other *Model) error {
	for _, s := range []*modelState{m.s, other.s} {
		if err := s.life.acquire(); err != nil {
			return err
		}
		defer s.life.release()
		if s.weights == nil {
			return argument("the model was not loaded with ModelParams.Unbound")
		}
		if err := s.complete(); err != nil {
			return err
		}
	}
	if bool(C.infer_streams_any(m.s.streams)) {
		return argument("tensors of the model are streamed: end streaming first")
	}
	var e C.infer_error
	if !C.infer_weights_rebind(m.s.weights, other.s.weights, &e) {
		return failure("rebind", &e, nil)
	}
	m.s.rebound.Add(1)
	runtime.KeepAlive(m)
	runtime.KeepAlive(other)
	return nil
}
