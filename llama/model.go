//go:build cgo

package llama

// #include "shim_layers.h"
// #include "shim_sampler.h"
import "C"

import (
	"context"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"unsafe"
)

// Model is a model's weights, metadata and vocabulary. It is safe for concurrent
// use.
type Model struct {
	s *modelState
}

type modelState struct {
	life      lifetime
	model     *C.struct_llama_model
	home      *home
	weights   *C.infer_weights // of an unbound model
	streams   *C.infer_streams // of those
	vocabOnly bool

	rebound atomic.Int64 // times

	mu      sync.Mutex
	pieces  *C.infer_pieces // nil until there is a grammar
	pending int             // weights that are not bound yet
	bound   []bool
}

// LoadModel loads a GGUF file: llama_model_load_from_file, or _from_splits where
// Shards are given.
//
// The file is read by the engine's own parser, which ends the process on some
// malformed files: validate it first. A cancelled ctx stops the load before the
// next tensor and returns the context's error.
func LoadModel(ctx context.Context, path string, p ModelParams) (*Model, error) {
	if err := start(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := p.Check(); err != nil {
		return nil, err
	}
	if p.Unbound && (p.Scratch == nil || p.MMap || p.CheckTensors) {
		return nil, argument("an unbound load needs scratch memory, no memory mapping and no check of tensors")
	}
	if len(p.TensorSplit) > int(C.llama_max_devices()) {
		return nil, argument("tensor split of %d parts, the engine knows %d devices at most", len(p.TensorSplit), int(C.llama_max_devices()))
	}
	paths := p.Shards
	if len(paths) == 0 {
		paths = []string{path}
	}
	cpaths := (*[1 << 16]*C.char)(C.calloc(C.size_t(len(paths)), C.size_t(unsafe.Sizeof(uintptr(0)))))[:len(paths):len(paths)]
	defer func() {
		for _, c := range cpaths {
			C.free(unsafe.Pointer(c))
		}
		C.free(unsafe.Pointer(&cpaths[0]))
	}()
	for i, s := range paths {
		c, err := cPath(s)
		if err != nil {
			return nil, err
		}
		cpaths[i] = c
	}

	params := C.llama_model_default_params()
	params.use_mmap = C.bool(p.MMap)
	params.vocab_only = C.bool(p.VocabOnly)
	params.check_tensors = C.bool(p.CheckTensors)
	params.use_extra_bufts = C.bool(p.Repack)
	params.no_host = C.bool(p.Repack || p.Blocks != nil)
	params.n_gpu_layers = clampInt32(p.GPULayers)
	params.main_gpu = clampInt32(p.MainGPU)
	params.split_mode = splitModes[p.Split]
	if len(p.TensorSplit) > 0 {
		n := int(C.llama_max_devices())
		split := unsafe.Slice((*float32)(C.calloc(C.size_t(n), 4)), n)
		defer C.free(unsafe.Pointer(&split[0]))
		copy(split, p.TensorSplit)
		params.tensor_split = (*C.float)(&split[0])
	}

	// The engine asks this flag before every tensor; a C callback that only reads
	// it keeps Go out of the load's inner loop.
	watch := newWatch(ctx)
	defer watch.stop()
	if p.Progress == nil {
		params.progress_callback = (C.llama_progress_callback)(C.infer_progress)
		params.progress_callback_user_data = unsafe.Pointer(watch.flag)
	} else {
		report := newProgress(watch, p.Progress)
		defer report.close()
		params.progress_callback = (C.llama_progress_callback)(C.infer_progress_report)
		params.progress_callback_user_data = report.data()
	}

	s := &modelState{home: newHome(p.Blocks), vocabOnly: p.VocabOnly}
	var e C.infer_error
	var weights *C.infer_weights
	record := &weights
	if !p.Unbound {
		record = nil
	}
	s.model = C.infer_model_load(&cpaths[0], C.size_t(len(cpaths)), params, s.home.scope(C.INFER_PURPOSE_WEIGHTS),
		record, p.Scratch, C.size_t(p.ScratchSize), &e)
	s.weights = weights
	if s.model == nil {
		err := failure("llama_model_load_from_file", &e, s.home)
		if !broken(err) { // else buffers of the lost model may still refer to it
			s.home.close()
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, err
	}
	if s.weights != nil {
		s.pending = int(C.infer_weights_count(s.weights))
		s.bound = make([]bool, s.pending)
		s.streams = C.infer_streams_new() // nil without memory, and then nothing streams
	}
	s.life.free = s.free
	m := &Model{s: s}
	runtime.AddCleanup(m, func(s *modelState) { s.life.close() }, s)
	if err := ctx.Err(); err != nil { // too late for the engine to see
		m.Close()
		return nil, err
	}
	return m, nil
}

func (s *modelState) free() {
	if s.pieces != nil {
		C.infer_pieces_free(s.pieces)
	}
	C.llama_model_free(s.model)
	if s.weights != nil {
		C.infer_streams_free(s.streams)
		C.infer_weights_free(s.weights)
	}
	s.home.close()
}

// Close frees the model, once its contexts and adapters have been closed too.
func (m *Model) Close() error {
	m.s.life.close()
	runtime.KeepAlive(m)
	return nil
}

// use runs f while the model cannot be freed.
func (m *Model) use(f func(*C.struct_llama_model)) error {
	if err := m.s.life.acquire(); err != nil {
		return err
	}
	defer m.s.life.release()
	f(m.s.model)
	runtime.KeepAlive(m)
	return nil
}

// Info returns the model's description and sizes.
func (m *Model) Info() (ModelInfo, error) {
	var i ModelInfo
	err := m.use(func(p *C.struct_llama_model) {
		i = ModelInfo{
			Description:  growString(func(buf *C.char, n C.size_t) C.int32_t { return C.llama_model_desc(p, buf, n) }),
			Size:         uint64(C.llama_model_size(p)),
			Params:       uint64(C.llama_model_n_params(p)),
			CtxTrain:     int(C.llama_model_n_ctx_train(p)),
			Embd:         int(C.llama_model_n_embd(p)),
			Layers:       int(C.llama_model_n_layer(p)),
			SWA:          int(C.llama_model_n_swa(p)),
			Positions:    tensorRows(p, "position_embd.weight"),
			Classes:      int(C.llama_model_n_cls_out(p)),
			Encoder:      bool(C.llama_model_has_encoder(p)),
			Decoder:      bool(C.llama_model_has_decoder(p)),
			Recurrent:    bool(C.llama_model_is_recurrent(p)),
			Hybrid:       bool(C.llama_model_is_hybrid(p)),
			Diffusion:    bool(C.llama_model_is_diffusion(p)),
			DecoderStart: Token(C.llama_model_decoder_start_token(p)),
		}
		if i.Layers > 0 { // else it has only its vocabulary, and the engine ends the process
			i.Heads, i.HeadsKV = int(C.llama_model_n_head(p)), int(C.llama_model_n_head_kv(p))
			i.KeyLength, i.ValueLength = headLength(p, "key"), headLength(p, "value")
		}
	})
	if err == nil {
		i.Architecture, _, err = m.Metadata("general.architecture")
	}
	return i, err
}

// headLength is the length of a head's keys or values: what the file says, or the width
// divided by the heads.
func headLength(p *C.struct_llama_model, which string) int {
	if n, err := strconv.Atoi(metadata(p, metadata(p, "general.architecture")+".attention."+which+"_length")); err == nil {
		return n
	}
	if heads := int(C.llama_model_n_head(p)); heads > 0 {
		return int(C.llama_model_n_embd(p)) / heads
	}
	return 0
}

// metadata is a scalar of the file's metadata as text, "" where it is not there.
func metadata(p *C.struct_llama_model, key string) (value string) {
	c := C.CString(key)
	defer C.free(unsafe.Pointer(c))
	if C.llama_model_meta_val_str(p, c, nil, 0) >= 0 {
		value = growString(func(buf *C.char, n C.size_t) C.int32_t { return C.llama_model_meta_val_str(p, c, buf, n) })
	}
	return value
}

// tensorRows is the second dimension of a tensor, 0 where the model has none of that name.
func tensorRows(p *C.struct_llama_model, name string) int {
	c := C.CString(name)
	defer C.free(unsafe.Pointer(c))
	return int(C.infer_tensor_rows(p, c))
}

// Metadata returns a scalar of the file's metadata as llama.cpp prints it, and
// whether it is there. Arrays are not kept by the engine.
func (m *Model) Metadata(key string) (value string, ok bool, err error) {
	c, err := cString(key)
	if err != nil {
		return "", false, err
	}
	defer C.free(unsafe.Pointer(c))
	err = m.use(func(p *C.struct_llama_model) {
		if ok = C.llama_model_meta_val_str(p, c, nil, 0) >= 0; ok {
			value = growString(func(buf *C.char, n C.size_t) C.int32_t { return C.llama_model_meta_val_str(p, c, buf, n) })
		}
	})
	return value, ok, err
}

// AllMetadata returns all metadata that [Model.Metadata] would.
func (m *Model) AllMetadata() (map[string]string, error) {
	all := map[string]string{}
	err := m.use(func(p *C.struct_llama_model) {
		for i := range C.llama_model_meta_count(p) {
			key := growString(func(buf *C.char, n C.size_t) C.int32_t { return C.llama_model_meta_key_by_index(p, i, buf, n) })
			all[key] = growString(func(buf *C.char, n C.size_t) C.int32_t { return C.llama_model_meta_val_str_by_index(p, i, buf, n) })
		}
	})
	return all, err
}

// ChatTemplate returns the model's chat template: the default one for name "", and
// "" where there is none.
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
		if s := C.llama_model_chat_template(p, c); s != nil {
			t = C.GoString(s)
		}
	})
	return t, err
}

// ClassLabels returns the labels of a classifier's outputs.
func (m *Model) ClassLabels() ([]string, error) {
	var labels []string
	err := m.use(func(p *C.struct_llama_model) {
		for i := range C.llama_model_n_cls_out(p) {
			if s := C.llama_model_cls_label(p, i); s != nil {
				labels = append(labels, C.GoString(s))
			}
		}
	})
	return labels, err
}

// growString calls a function that returns the length of its text, like snprintf,
// with a buffer large enough.
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

// watch raises a flag in C memory when a context is cancelled.
type watch struct {
	flag   *int32
	cancel func() bool
	done   chan struct{}
}

func newWatch(ctx context.Context) *watch {
	w := &watch{flag: (*int32)(C.calloc(1, 4))}
	if ctx.Done() != nil {
		w.done = make(chan struct{})
		w.cancel = context.AfterFunc(ctx, func() {
			atomic.StoreInt32(w.flag, 1)
			close(w.done)
		})
	}
	return w
}

// stop waits for the flag's last writer and frees it.
func (w *watch) stop() {
	if w.cancel != nil && !w.cancel() {
		<-w.done
	}
	C.free(unsafe.Pointer(w.flag))
}
