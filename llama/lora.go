//go:build cgo

package llama

// #include "shim_more.h"
import "C"

import (
	"math"
	"runtime"
	"unsafe"
)

// Adapter is a LoRA adapter of a model. It is safe for concurrent use.
type Adapter struct{ s *adapterState }

type adapterState struct {
	life    lifetime
	adapter *C.struct_llama_adapter_lora
	model   *modelState
}

// LoadAdapter loads a LoRA adapter: llama_adapter_lora_init. Its file is read by the
// engine's own parser: validate it first.
func (m *Model) LoadAdapter(path string) (*Adapter, error) {
	c, err := cString(path)
	if err != nil {
		return nil, err
	}
	defer C.free(unsafe.Pointer(c))
	if err := m.s.life.acquire(); err != nil {
		return nil, err
	}
	var e C.infer_error
	p := C.infer_adapter_load(m.s.model, c, m.s.home.scope(C.INFER_PURPOSE_WEIGHTS), &e)
	if p == nil {
		m.s.life.release()
		return nil, failure("llama_adapter_lora_init", &e, m.s.home)
	}
	s := &adapterState{adapter: p, model: m.s}
	s.life.free = func() {
		C.llama_adapter_lora_free(s.adapter)
		s.model.life.release()
	}
	a := &Adapter{s}
	runtime.AddCleanup(a, func(s *adapterState) { s.life.close() }, s)
	runtime.KeepAlive(m)
	return a, nil
}

// Close frees the adapter, once no context applies it.
func (a *Adapter) Close() error {
	a.s.life.close()
	runtime.KeepAlive(a)
	return nil
}

// Metadata returns a scalar of the adapter's metadata, and whether it is there.
func (a *Adapter) Metadata(key string) (value string, ok bool, err error) {
	c, err := cString(key)
	if err != nil {
		return "", false, err
	}
	defer C.free(unsafe.Pointer(c))
	if err := a.s.life.acquire(); err != nil {
		return "", false, err
	}
	defer a.s.life.release()
	p := a.s.adapter
	if ok = C.llama_adapter_meta_val_str(p, c, nil, 0) >= 0; ok {
		value = growString(func(buf *C.char, n C.size_t) C.int32_t { return C.llama_adapter_meta_val_str(p, c, buf, n) })
	}
	return value, ok, nil
}

// InvocationTokens are the tokens that switch an activated adapter (aLoRA) on; none
// for others.
func (a *Adapter) InvocationTokens() ([]Token, error) {
	if err := a.s.life.acquire(); err != nil {
		return nil, err
	}
	defer a.s.life.release()
	n := int(C.llama_adapter_get_alora_n_invocation_tokens(a.s.adapter))
	tokens := make([]Token, n)
	if n > 0 {
		for i, t := range unsafe.Slice(C.llama_adapter_get_alora_invocation_tokens(a.s.adapter), n) {
			tokens[i] = Token(t)
		}
	}
	return tokens, nil
}

// ApplyAdapter makes a context use an adapter, or changes its scale:
// llama_set_adapter_lora. The context keeps it alive.
func (c *Context) ApplyAdapter(a *Adapter, scale float32) error {
	if f := float64(scale); math.IsNaN(f) || math.IsInf(f, 0) {
		return argument("adapter scaled by %g", scale)
	}
	if err := a.s.life.acquire(); err != nil {
		return err
	}
	err := c.locked(func(p *C.struct_llama_context) error {
		if a.s.model != c.s.model {
			return argument("adapter of another model than the context's")
		}
		if C.llama_set_adapter_lora(p, a.s.adapter, C.float(scale)) != 0 {
			return &Error{Call: "llama_set_adapter_lora"}
		}
		for _, l := range c.s.loras {
			if l.s == a.s { // it was there: one life is enough
				a.s.life.release()
				return nil
			}
		}
		c.s.loras = append(c.s.loras, a)
		return nil
	})
	if err != nil {
		a.s.life.release()
	}
	return err
}

// RemoveAdapter makes a context use an adapter no longer: llama_rm_adapter_lora. It
// tells whether it was in use.
func (c *Context) RemoveAdapter(a *Adapter) (removed bool, err error) {
	err = c.locked(func(p *C.struct_llama_context) error {
		for i, l := range c.s.loras {
			if l.s == a.s {
				C.llama_rm_adapter_lora(p, a.s.adapter)
				c.s.loras = append(c.s.loras[:i], c.s.loras[i+1:]...)
				a.s.life.release()
				removed = true
				break
			}
		}
		return nil
	})
	return removed, err
}

// ClearAdapters makes a context use no adapter: llama_clear_adapter_lora.
func (c *Context) ClearAdapters() error {
	return c.locked(func(p *C.struct_llama_context) error {
		C.llama_clear_adapter_lora(p)
		for _, l := range c.s.loras {
			l.s.life.release()
		}
		c.s.loras = nil
		return nil
	})
}

// ApplyControlVector adds a vector to the outputs of layers first to last, both
// included: llama_apply_adapter_cvec. data has the model's width for every layer from
// 1 on; nil removes the vector.
func (c *Context) ApplyControlVector(data []float32, first, last int) error {
	return c.locked(func(p *C.struct_llama_context) error {
		layers := int(C.llama_model_n_layer(c.s.model.model))
		if data == nil {
			C.llama_apply_adapter_cvec(p, nil, 0, C.int32_t(c.s.embd), 0, 0)
			return nil
		}
		if len(data) == 0 || len(data)%c.s.embd != 0 || len(data)/c.s.embd > layers-1 || first < 0 || last < first || last >= layers {
			return argument("control vector of %d numbers for layers %d to %d: the model has %d layers of width %d", len(data), first, last, layers, c.s.embd)
		}
		if C.llama_apply_adapter_cvec(p, (*C.float)(&data[0]), C.size_t(len(data)), C.int32_t(c.s.embd), C.int32_t(first), C.int32_t(last)) != 0 {
			return &Error{Call: "llama_apply_adapter_cvec"}
		}
		return nil
	})
}
