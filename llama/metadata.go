//go:build cgo

package llama

// #include "engine_table.h"
import "C"

import (
	"strconv"
	"unsafe"
)

// Info returns the model's description and sizes.
func (m *Model) Info() (ModelInfo, error) {
	var i ModelInfo
	err := m.use(func(p *C.struct_llama_model) {
		i = ModelInfo{
			Description:  growString(func(buf *C.char, n C.size_t) C.int32_t { return C.infer_llama_model_desc(p, buf, n) }),
			Size:         uint64(C.infer_llama_model_size(p)),
			Params:       uint64(C.infer_llama_model_n_params(p)),
			CtxTrain:     int(C.infer_llama_model_n_ctx_train(p)),
			Embd:         int(C.infer_llama_model_n_embd(p)),
			Layers:       int(C.infer_llama_model_n_layer(p)),
			SWA:          int(C.infer_llama_model_n_swa(p)),
			Positions:    int(C.infer_positions(p)),
			Classes:      int(C.infer_llama_model_n_cls_out(p)),
			Encoder:      bool(C.infer_llama_model_has_encoder(p)),
			Decoder:      bool(C.infer_llama_model_has_decoder(p)),
			Recurrent:    bool(C.infer_llama_model_is_recurrent(p)),
			Hybrid:       bool(C.infer_llama_model_is_hybrid(p)),
			Diffusion:    bool(C.infer_llama_model_is_diffusion(p)),
			DecoderStart: Token(C.infer_llama_model_decoder_start_token(p)),
		}
		if i.Layers > 0 { // a vocabulary-only model has no layers, and the engine would end the process
			i.Heads, i.HeadsKV = int(C.infer_llama_model_n_head(p)), int(C.infer_llama_model_n_head_kv(p))
			i.KeyLength, i.ValueLength = headLength(p, "key"), headLength(p, "value")
		}
	})
	if err == nil {
		i.Architecture, _, err = m.Metadata("general.architecture")
	}
	return i, err
}

// headLength returns the length of a head's keys or values: the file's, or else the embedding
// length divided by the number of heads.
func headLength(p *C.struct_llama_model, which string) int {
	if n, err := strconv.Atoi(metadata(p, metadata(p, "general.architecture")+".attention."+which+"_length")); err == nil {
		return n
	}
	if heads := int(C.infer_llama_model_n_head(p)); heads > 0 {
		return int(C.infer_llama_model_n_embd(p)) / heads
	}
	return 0
}

// metadata returns a scalar of the file's metadata as text, or "".
func metadata(p *C.struct_llama_model, key string) (value string) {
	c := C.CString(key)
	defer C.free(unsafe.Pointer(c))
	if C.infer_llama_model_meta_val_str(p, c, nil, 0) >= 0 {
		value = growString(func(buf *C.char, n C.size_t) C.int32_t { return C.infer_llama_model_meta_val_str(p, c, buf, n) })
	}
	return value
}

// tensorRows returns the second dimension of a tensor, 0 if the model has no tensor of that name.
func tensorRows(p *C.struct_llama_model, name string) int {
	c := C.CString(name)
	defer C.free(unsafe.Pointer(c))
	return int(C.infer_tensor_rows(p, c))
}

// Metadata returns a scalar of the file's metadata as llama.cpp formats it, and whether it exists.
// The engine does not keep arrays.
func (m *Model) Metadata(key string) (value string, ok bool, err error) {
	c, err := cString(key)
	if err != nil {
		return "", false, err
	}
	defer C.free(unsafe.Pointer(c))
	err = m.use(func(p *C.struct_llama_model) {
		if ok = C.infer_llama_model_meta_val_str(p, c, nil, 0) >= 0; ok {
			value = growString(func(buf *C.char, n C.size_t) C.int32_t { return C.infer_llama_model_meta_val_str(p, c, buf, n) })
		}
	})
	return value, ok, err
}

// AllMetadata returns all metadata that [Model.Metadata] would.
func (m *Model) AllMetadata() (map[string]string, error) {
	all := map[string]string{}
	err := m.use(func(p *C.struct_llama_model) {
		for i := range C.infer_llama_model_meta_count(p) {
			key := growString(func(buf *C.char, n C.size_t) C.int32_t { return C.infer_llama_model_meta_key_by_index(p, i, buf, n) })
			all[key] = growString(func(buf *C.char, n C.size_t) C.int32_t {
				return C.infer_llama_model_meta_val_str_by_index(p, i, buf, n)
			})
		}
	})
	return all, err
}

// ChatTemplate returns a chat template of the model, the default one for name "", or "" if there is
// none.
func (m *Model) ChatTemplate(name string) (string, error) {
	var c *C.char
	if name != "" {
		var err error
		if c, err = cString(name); err != nil {
			return "", err
		}
		defer C.free(unsafe.Pointer(c))
	}
	var t string
	err := m.use(func(p *C.struct_llama_model) {
		if s := C.infer_llama_model_chat_template(p, c); s != nil {
			t = C.GoString(s)
		}
	})
	return t, err
}

// ClassLabels returns the labels of a classifier's outputs.
func (m *Model) ClassLabels() ([]string, error) {
	var labels []string
	err := m.use(func(p *C.struct_llama_model) {
		for i := range C.infer_llama_model_n_cls_out(p) {
			if s := C.infer_llama_model_cls_label(p, i); s != nil {
				labels = append(labels, C.GoString(s))
			}
		}
	})
	return labels, err
}

// growString calls a function that returns the length of its text, like snprintf, again with a
// larger buffer if needed.
func growString(f func(buf *C.char, n C.size_t) C.int32_t) string {
	buf := make([]byte, 128)
	for {
		n := int(f((*C.char)(unsafe.Pointer(&buf[0])), C.size_t(len(buf))))
		if n < 0 {
			return ""
		}
		if n < len(buf) {
			return string(buf[:n])
		}
		buf = make([]byte, n+1)
	}
}

func clampInt32(n int) C.int32_t {
	return C.int32_t(min(max(n, -1<<31), 1<<31-1))
}
