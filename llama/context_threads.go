//go:build cgo

package llama

// #include "shim_system.h"
import "C"

import (
	"slices"
	"strconv"
)

// threads are what a context computes with: pools of its own, of several sizes, one of
// which is at work at a time while the others sleep. Without a pool, the engine starts
// and joins threads for every token, and ends the process where one is refused.
type threads struct {
	pools   []*threadPool // the last used first; the first one or two are attached
	retired []*threadPool // to be freed when the engine has computed with another
	n       int           // as asked for: for one token at a time
	batch   int           // for several
	awake   bool          // they wait for work without sleeping
}

// threadPool is a pool of the engine's. It is freed by what threads holds.
type threadPool struct {
	size int // as asked for: it has fewer threads where no more could be had
	has  int
	c    *C.struct_ggml_threadpool
	used bool // the engine may have computed with it
}

// mostPools are kept: for one token, for several, and the former of them.
const mostPools = 3

// pollLevel is for how long threads wait for the next evaluation without sleeping, in
// 131,072 pauses of the processor: some milliseconds, which sampling a token takes.
const pollLevel = 4

// setThreads attaches pools of these sizes. Where memory for them is refused, the context
// computes on the calling thread alone.
func (s *contextState) setThreads(n, batch int) {
	n, batch = min(n, s.mostThreads), min(batch, s.mostThreads)
	t := &s.threads
	if t.n == n && t.batch == batch {
		return
	}
	level := C.uint32_t(pollLevel)
	if s.layers != nil {
		level = 0 // while a layer is read, they are to sleep: the reading needs time too
	}
	t.n, t.batch = n, batch
	one, many := t.pool(n, level), t.pool(batch, level)
	if one == nil || many == nil {
		C.llama_detach_threadpool(s.ctx)
		C.llama_set_n_threads(s.ctx, 1, 1)
		return
	}
	one.used, many.used = true, true
	C.llama_set_n_threads(s.ctx, C.int32_t(one.has), C.int32_t(many.has))
	C.llama_attach_threadpool(s.ctx, one.c, many.c)
}

// pool returns a pool of a size, which is made asleep where there is none; nil where
// there is no memory for it.
func (t *threads) pool(size int, level C.uint32_t) *threadPool {
	i := slices.IndexFunc(t.pools, func(p *threadPool) bool { return p.size == size })
	if i >= 0 {
		p := t.pools[i]
		t.pools = slices.Insert(slices.Delete(t.pools, i, i+1), 0, p)
		return p
	}
	p := &threadPool{size: size, has: size}
	for !bool(C.infer_threads_available(C.int(p.has - 1))) { // beside the calling one
		p.has /= 2
	}
	params := C.ggml_threadpool_params_default(C.int(p.has))
	params.poll, params.paused = level, true
	if p.c = C.ggml_threadpool_new(&params); p.c == nil {
		return nil
	}
	t.pools = slices.Insert(t.pools, 0, p)
	if len(t.pools) > mostPools {
		last := t.pools[mostPools]
		t.pools = t.pools[:mostPools]
		if last.used { // the engine pauses it once more when it computes with another
			t.retired = append(t.retired, last)
		} else {
			C.ggml_threadpool_free(last.c)
		}
	}
	return p
}

func (t *threads) wake() { t.awake = true }

// rest puts the threads to sleep, which the next evaluation wakes.
func (t *threads) rest() {
	if !t.awake {
		return
	}
	t.awake = false
	for _, p := range t.pools[:min(2, len(t.pools))] {
		C.ggml_threadpool_pause(p.c)
	}
}

func (t *threads) freeRetired() {
	for _, p := range t.retired {
		C.ggml_threadpool_free(p.c)
	}
	t.retired = nil
}

func (t *threads) free() {
	t.freeRetired()
	for _, p := range t.pools {
		C.ggml_threadpool_free(p.c)
	}
	t.pools = nil
}

// SetThreads sets the numbers of threads, for one token at a time and for several:
// llama_set_n_threads. A context keeps the threads of the last three numbers, asleep, so
// that changing between them costs next to nothing. Where the system has not as many
// threads, there are fewer, as there are for a model that can't be computed with as many:
// an RWKV of fewer heads.
func (c *Context) SetThreads(n, batch int) error {
	if n < 1 || batch < 1 || n > C.GGML_MAX_N_THREADS || batch > C.GGML_MAX_N_THREADS {
		return argument("%d and %d threads, 1 to %d are possible", n, batch, C.GGML_MAX_N_THREADS)
	}
	return c.locked(func(*C.struct_llama_context) error {
		c.s.setThreads(n, batch)
		return nil
	})
}

// RestThreads puts the threads to sleep, which for some milliseconds after an evaluation
// wait for another one without giving their processors back. The next evaluation wakes
// them.
func (c *Context) RestThreads() error {
	return c.locked(func(*C.struct_llama_context) error {
		c.s.threads.rest()
		return nil
	})
}

// mostThreads is the largest number of threads that the model can be computed with. The
// engine's kernels of RWKV give each thread heads of its own, and a thread for which there
// is none leaves: those of RWKV 6 before a barrier, at which the others wait forever, that
// of RWKV 7 with heads that nobody computes.
func (ms *modelState) mostThreads() int {
	for _, arch := range []string{"rwkv6", "rwkv6qwen2", "rwkv7", "arwkv7"} {
		if size, err := strconv.Atoi(metadata(ms.model, arch+".wkv.head_size")); err == nil && size > 0 {
			return max(1, min(int(C.llama_model_n_embd(ms.model))/size, C.GGML_MAX_N_THREADS))
		}
	}
	return C.GGML_MAX_N_THREADS
}
