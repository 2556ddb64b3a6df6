//go:build cgo

package llama

// #include "engine_table.h"
import "C"

import (
	"slices"
	"strconv"
)

// threads holds the thread pools of a context, in several sizes. One pool works at a time, the
// others sleep. Without a pool the engine starts and joins threads for every token, and ends the
// process if a thread is refused.
type threads struct {
	pools   []*threadPool // most recently used first; the first one or two are attached
	retired []*threadPool // to be freed after the engine has computed with another pool
	n       int           // requested size for single tokens
	batch   int           // requested size for batches
	awake   bool          // the threads may be polling for work
}

// threadPool is a thread pool of the engine. threads frees it.
type threadPool struct {
	size int // requested size; the pool has fewer threads if the system refused more
	has  int
	c    *C.struct_ggml_threadpool
	used bool // the engine may refer to it
}

// mostPools is the number of pools that are kept: for single tokens, for batches, and the previous
// one.
const mostPools = 3

// pollLevel is how long threads poll for the next evaluation before they sleep, in units of 131,072
// pause instructions: some milliseconds, about the time to sample a token.
const pollLevel = 4

// setThreads attaches pools of these sizes. If memory for them is refused, the context computes on
// the calling thread only.
func (s *contextState) setThreads(n, batch int) {
	n, batch = min(n, s.mostThreads), min(batch, s.mostThreads)
	t := &s.threads
	if t.n == n && t.batch == batch {
		return
	}
	level := C.uint32_t(pollLevel)
	if s.layers != nil {
		level = 0 // do not poll while a layer is read: reading needs CPU time too
	}
	t.n, t.batch = n, batch
	one, many := t.pool(n, level), t.pool(batch, level)
	if one == nil || many == nil {
		C.infer_llama_detach_threadpool(s.ctx)
		C.infer_llama_set_n_threads(s.ctx, 1, 1)
		return
	}
	one.used, many.used = true, true
	C.infer_llama_set_n_threads(s.ctx, C.int32_t(one.has), C.int32_t(many.has))
	C.infer_llama_attach_threadpool(s.ctx, one.c, many.c)
}

// pool returns the pool of a size. If there is none, it creates one, paused; nil if memory is
// refused.
func (t *threads) pool(size int, level C.uint32_t) *threadPool {
	i := slices.IndexFunc(t.pools, func(p *threadPool) bool { return p.size == size })
	if i >= 0 {
		p := t.pools[i]
		t.pools = slices.Insert(slices.Delete(t.pools, i, i+1), 0, p)
		return p
	}
	p := &threadPool{size: size, has: size}
	for !bool(C.infer_threads_available(C.int(p.has - 1))) { // in addition to the calling thread
		p.has /= 2
	}
	params := C.infer_ggml_threadpool_params_default(C.int(p.has))
	params.poll, params.paused = level, true
	if p.c = C.infer_ggml_threadpool_new(&params); p.c == nil {
		return nil
	}
	t.pools = slices.Insert(t.pools, 0, p)
	if len(t.pools) > mostPools {
		last := t.pools[mostPools]
		t.pools = t.pools[:mostPools]
		if last.used { // the engine pauses it again when it computes with another pool
			t.retired = append(t.retired, last)
		} else {
			C.infer_ggml_threadpool_free(last.c)
		}
	}
	return p
}

func (t *threads) wake() { t.awake = true }

// rest puts the threads to sleep. The next evaluation wakes them.
func (t *threads) rest() {
	if !t.awake {
		return
	}
	t.awake = false
	for _, p := range t.pools[:min(2, len(t.pools))] {
		C.infer_ggml_threadpool_pause(p.c)
	}
}

func (t *threads) freeRetired() {
	for _, p := range t.retired {
		C.infer_ggml_threadpool_free(p.c)
	}
	t.retired = nil
}

func (t *threads) free() {
	t.freeRetired()
	for _, p := range t.pools {
		C.infer_ggml_threadpool_free(p.c)
	}
	t.pools = nil
}

// SetThreads sets the number of threads for single tokens and for batches: llama_set_n_threads. A
// context keeps the threads of the last three numbers asleep, so that switching between them is
// cheap. Fewer threads are used if the system refuses more, or if the model cannot use more (RWKV
// models with fewer heads).
func (c *Context) SetThreads(n, batch int) error {
	if n < 1 || batch < 1 || n > C.GGML_MAX_N_THREADS || batch > C.GGML_MAX_N_THREADS {
		return argument("threads %d and batch threads %d out of range (1 to %d each)", n, batch, C.GGML_MAX_N_THREADS)
	}
	return c.locked(func(*C.struct_llama_context) error {
		c.s.setThreads(n, batch)
		return nil
	})
}

// RestThreads puts the threads to sleep at once. Otherwise they poll for the next evaluation for
// some milliseconds and keep their processors busy. The next evaluation wakes them.
func (c *Context) RestThreads() error {
	return c.locked(func(*C.struct_llama_context) error {
		c.s.threads.rest()
		return nil
	})
}

// mostThreads returns the largest number of threads that the model supports. The engine's RWKV
// kernels divide the heads among threads. A thread without a head returns early: in RWKV 6 before a
// barrier, so that the others wait forever; in RWKV 7 some heads are then not computed.
func (ms *modelState) mostThreads() int {
	for _, arch := range []string{"rwkv6", "rwkv6qwen2", "rwkv7", "arwkv7"} {
		if size, err := strconv.Atoi(metadata(ms.model, arch+".wkv.head_size")); err == nil && size > 0 {
			return max(1, min(int(C.infer_llama_model_n_embd(ms.model))/size, C.GGML_MAX_N_THREADS))
		}
	}
	return C.GGML_MAX_N_THREADS
}
