//go:build cgo

package llama

// #include "engine_table.h"
import "C"

import (
	"runtime"
	"slices"
	"unsafe"
)

// Adapter is a LoRA adapter of a model. It keeps the model alive. It is safe for concurrent use.
type Adapter struct{ s *adapterState }

type adapterState struct {
	life    lifetime
	adapter *C.struct_llama_adapter_lora
	model   *modelState
}

// LoadAdapter loads a LoRA adapter: llama_adapter_lora_init. Its weights are in blocks of the
// model's [Blocks], with [PurposeWeights]. The engine's own parser reads the file and ends the
// process on some malformed files: validate it first. The file must be an adapter (general.type)
// for the model's architecture, with tensors that match the model's shapes.
func (m *Model) LoadAdapter(path string) (*Adapter, error) {
	c, err := cPath(path)
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
		C.infer_llama_adapter_lora_free(s.adapter)
		s.model.life.release()
	}
	a := &Adapter{s}
	runtime.AddCleanup(a, func(s *adapterState) { s.life.close() }, s)
	runtime.KeepAlive(m)
	return a, nil
}

// Close frees the adapter, as soon as no context applies it any more. Closing twice is safe.
func (a *Adapter) Close() error {
	a.s.life.close()
	runtime.KeepAlive(a)
	return nil
}

// use runs f while the adapter cannot be freed.
func (a *Adapter) use(f func(*C.struct_llama_adapter_lora)) error {
	defer runtime.KeepAlive(a)
	if err := a.s.life.acquire(); err != nil {
		return err
	}
	defer a.s.life.release()
	f(a.s.adapter)
	return nil
}

// Metadata returns a scalar of the adapter's metadata as llama.cpp prints it, and
// whether it is there: llama_adapter_meta_val_str.
func (a *Adapter) Metadata(key string) (value string, ok bool, err error) {
	c, err := cString(key)
	if err != nil {
		return "", false, err
	}
	defer C.free(unsafe.Pointer(c))
	err = a.use(func(p *C.struct_llama_adapter_lora) {
		if ok = C.infer_llama_adapter_meta_val_str(p, c, nil, 0) >= 0; ok {
			value = growString(func(buf *C.char, n C.size_t) C.int32_t { return C.infer_llama_adapter_meta_val_str(p, c, buf, n) })
		}
	})
	return value, ok, err
}

// AllMetadata returns all metadata that [Adapter.Metadata] would.
func (a *Adapter) AllMetadata() (map[string]string, error) {
	all := map[string]string{}
	err := a.use(func(p *C.struct_llama_adapter_lora) {
		for i := range C.infer_llama_adapter_meta_count(p) {
			key := growString(func(buf *C.char, n C.size_t) C.int32_t { return C.infer_llama_adapter_meta_key_by_index(p, i, buf, n) })
			all[key] = growString(func(buf *C.char, n C.size_t) C.int32_t {
				return C.infer_llama_adapter_meta_val_str_by_index(p, i, buf, n)
			})
		}
	})
	return all, err
}

// InvocationTokens returns the token sequence from which on an activated LoRA (aLoRA) shall be
// applied, nil for other adapters: llama_adapter_get_alora_invocation_tokens. The caller must apply
// the adapter there.
func (a *Adapter) InvocationTokens() (tokens []Token, err error) {
	err = a.use(func(p *C.struct_llama_adapter_lora) {
		n := int(C.infer_llama_adapter_get_alora_n_invocation_tokens(p))
		if n == 0 {
			return
		}
		for _, t := range unsafe.Slice(C.infer_llama_adapter_get_alora_invocation_tokens(p), n) {
			tokens = append(tokens, Token(t))
		}
	})
	return tokens, err
}

// applied is an adapter that a context applies. It has the state and no Adapter, which the garbage
// collector must be able to collect meanwhile.
type applied struct {
	adapter *adapterState
	scale   float32
}

// setAdapters sets the adapters of a context in place of those before.
func setAdapters(ctx *C.struct_llama_context, list []applied) error {
	adapters, scales := make([]*C.struct_llama_adapter_lora, len(list)), make([]C.float, len(list))
	for i, l := range list {
		adapters[i], scales[i] = l.adapter.adapter, C.float(l.scale)
	}
	var e C.infer_error
	if !C.infer_adapters_set(ctx, unsafe.SliceData(adapters), unsafe.SliceData(scales), C.size_t(len(list)), &e) {
		return failure("llama_set_adapter_lora", &e, nil)
	}
	return nil
}

// ApplyAdapter applies an adapter to a context, or changes its scale: llama_set_adapter_lora. A
// scale of 1 is the adapter as trained, 0 has no effect. The content of the KV cache does not
// change. The context keeps the adapter alive.
func (c *Context) ApplyAdapter(a *Adapter, scale float32) error {
	if err := number("adapter scale", scale, -finite, finite); err != nil {
		return err
	}
	if err := a.s.life.acquire(); err != nil {
		return err
	}
	kept := false
	err := c.locked(func(p *C.struct_llama_context) error {
		if a.s.model != c.s.model {
			return argument("the adapter belongs to another model than the context")
		}
		list := slices.Clone(c.s.loras)
		i := slices.IndexFunc(list, func(l applied) bool { return l.adapter == a.s })
		if i < 0 {
			i, list = len(list), append(list, applied{adapter: a.s})
		}
		list[i].scale = scale
		if err := setAdapters(p, list); err != nil {
			return err
		}
		kept = len(list) > len(c.s.loras)
		c.s.loras = list
		return nil
	})
	if !kept {
		a.s.life.release()
	}
	runtime.KeepAlive(a)
	return err
}

// RemoveAdapter removes an adapter from a context: llama_rm_adapter_lora. It reports whether the
// adapter was applied.
func (c *Context) RemoveAdapter(a *Adapter) (removed bool, err error) {
	err = c.locked(func(p *C.struct_llama_context) error {
		i := slices.IndexFunc(c.s.loras, func(l applied) bool { return l.adapter == a.s })
		if i < 0 {
			return nil
		}
		list := slices.Delete(slices.Clone(c.s.loras), i, i+1)
		if err := setAdapters(p, list); err != nil {
			return err
		}
		c.s.loras, removed = list, true
		a.s.life.release()
		return nil
	})
	return removed, err
}

// ClearAdapters removes all adapters from a context: llama_clear_adapter_lora.
func (c *Context) ClearAdapters() error {
	return c.locked(func(p *C.struct_llama_context) error {
		if err := setAdapters(p, nil); err != nil {
			return err
		}
		for _, l := range c.s.loras {
			l.adapter.life.release()
		}
		c.s.loras = nil
		return nil
	})
}

// ApplyControlVector adds a vector to the outputs of the layers from first to last, both included:
// llama_apply_adapter_cvec. data has the vectors of consecutive layers from layer 1 on, each of the
// model's embedding length; layer 0 has none. Layers beyond data keep the vectors of an earlier
// call, initially zero. nil removes the vector. The first call allocates for all layers; if that
// fails, the context accepts no control vector any more.
func (c *Context) ApplyControlVector(data []float32, first, last int) error {
	return c.locked(func(p *C.struct_llama_context) error {
		layers, width := int(C.infer_llama_model_n_layer(c.s.model.model)), c.s.embd
		if data != nil && (len(data) == 0 || len(data)%width != 0 || len(data)/width > layers-1) {
			return argument("control vector of %d numbers: need a multiple of the embedding length %d, for at most %d layers", len(data), width, layers-1)
		}
		if data != nil && (first < 1 || last < first || last >= layers) {
			return argument("control vector for layers %d to %d out of range: the model has layers 1 to %d", first, last, layers-1)
		}
		for i, v := range data {
			if !(v >= -finite && v <= finite) {
				return argument("number %d of the control vector is %g: use finite numbers", i, v)
			}
		}
		var e C.infer_error
		if !C.infer_adapter_cvec(p, (*C.float)(unsafe.Pointer(unsafe.SliceData(data))), C.size_t(len(data)), C.int32_t(width), C.int32_t(first), C.int32_t(last),
			c.s.home.scope(C.INFER_PURPOSE_WEIGHTS), &e) {
			return failure("llama_apply_adapter_cvec", &e, c.s.home)
		}
		return nil
	})
}
