//go:build cgo

package llama_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader/gguf"
)

// plainAdapter writes a LoRA adapter of rank 1 for the tiny model, of zeros: it changes
// nothing, and is loaded, applied and freed like any other.
func plainAdapter(t *testing.T) string {
	t.Helper()
	var w gguf.Writer
	for k, v := range map[string]string{"general.type": "adapter", "general.architecture": "llama", "adapter.type": "lora"} {
		w.Add(k, gguf.StringValue(v))
	}
	w.Add("adapter.lora.alpha", gguf.Float32Value(1))
	w.AddTensor("blk.0.attn_q.weight.lora_a", gguf.TypeF32, 256, 1)
	w.AddTensor("blk.0.attn_q.weight.lora_b", gguf.TypeF32, 1, 256)
	path := filepath.Join(t.TempDir(), "adapter.gguf")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := w.WriteHeader(f); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(make([]byte, w.DataBytes())); err != nil {
		t.Fatal(err)
	}
	return path
}

// family is one of everything that has Close.
type family struct {
	model   *llama.Model
	context *llama.Context
	sampler *llama.Sampler
	adapter *llama.Adapter
	batch   *llama.Batch
}

// newFamily makes one that has just evaluated a token.
func newFamily(t *testing.T, adapter string) *family {
	t.Helper()
	f, err := makeFamily(t, adapter)
	t.Cleanup(func() {
		for _, m := range f.members() {
			m.Close()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func makeFamily(t *testing.T, adapter string) (f *family, err error) {
	f = &family{model: load(t, tinyF16, llama.ModelParams{MMap: true})}
	if f.context, err = f.model.NewContext(llama.ContextParams{Ctx: 64, Batch: 8, UBatch: 8, Threads: 1, SeqMax: 2, Embeddings: true, Pooling: llama.PoolingNone}); err != nil {
		return f, err
	}
	if f.sampler, err = f.model.NewSampler(); err != nil {
		return f, err
	}
	if f.adapter, err = f.model.LoadAdapter(adapter); err != nil {
		return f, err
	}
	if f.batch, err = llama.NewBatch(8, 1); err != nil {
		return f, err
	}
	return f, errors.Join(f.sampler.AddGreedy(), f.context.ApplyAdapter(f.adapter, 1), f.batch.Add(1, 0, true), f.context.Decode(t.Context(), f.batch))
}

type closer interface{ Close() error }

// members are what has been made, in the order in which it was.
func (f *family) members() (list []closer) {
	for _, m := range []closer{f.model, f.context, f.sampler, f.adapter, f.batch} {
		if !reflect.ValueOf(m).IsNil() {
			list = append(list, m)
		}
	}
	return list
}

func memberName(m closer) string { return strings.TrimPrefix(fmt.Sprintf("%T", m), "*llama.") }

// check uses every member: closed ones must return ErrClosed, the others must succeed.
func (f *family) check(t *testing.T, closed map[closer]bool) {
	t.Helper()
	want := func(what string, err error, needs ...closer) {
		t.Helper()
		for _, n := range needs {
			if closed[n] {
				if !errors.Is(err, llama.ErrClosed) {
					t.Errorf("%s: %v, want ErrClosed", what, err)
				}
				return
			}
		}
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err := f.model.Info()
	want("Info", err, f.model)
	_, err = f.adapter.AllMetadata()
	want("AllMetadata", err, f.adapter)
	want("ApplyAdapter", f.context.ApplyAdapter(f.adapter, 1), f.adapter, f.context)
	want("Clear", f.context.Clear(), f.context)
	f.batch.Clear()
	want("Add", f.batch.Add(1, 0, true), f.batch)
	err = f.context.Decode(t.Context(), f.batch)
	want("Decode", err, f.context, f.batch)
	if err == nil {
		_, err = f.sampler.Sample(f.context, -1)
		want("Sample", err, f.sampler, f.context)
	}
	_, err = f.sampler.Names()
	want("Names", err, f.sampler)
}

// permutations calls f with every order of 0 to n-1.
func permutations(n int, f func([]int)) {
	order := make([]int, 0, n)
	used := make([]bool, n)
	var extend func()
	extend = func() {
		if len(order) == n {
			f(order)
			return
		}
		for i := range n {
			if !used[i] {
				used[i], order = true, append(order, i)
				extend()
				used[i], order = false, order[:len(order)-1]
			}
		}
	}
	extend()
}

func TestEveryOrderOfClosing(t *testing.T) {
	adapter := plainAdapter(t)
	orders := 0
	permutations(5, func(order []int) {
		orders++
		var names []string
		f := newFamily(t, adapter)
		closed := map[closer]bool{}
		for _, i := range order {
			m := f.members()[i]
			names = append(names, memberName(m))
			// Closed twice, from another goroutine.
			done := make(chan error)
			go func() { done <- errors.Join(m.Close(), m.Close()) }()
			if err := <-done; err != nil {
				t.Errorf("closing %s: %v", strings.Join(names, ", "), err)
			}
			closed[m] = true
			f.check(t, closed)
		}
		if t.Failed() {
			t.Fatalf("after closing %s", strings.Join(names, ", "))
		}
	})
	if orders != 120 {
		t.Errorf("%d orders", orders)
	}
}

func TestClosingEverythingAtOnce(t *testing.T) {
	adapter := plainAdapter(t)
	for range 20 {
		f := newFamily(t, adapter)
		start := make(chan struct{})
		var wg sync.WaitGroup
		for range 3 {
			for _, m := range f.members() {
				wg.Go(func() {
					<-start
					if err := m.Close(); err != nil {
						t.Error(err)
					}
				})
			}
		}
		close(start)
		wg.Wait()
		f.check(t, map[closer]bool{f.model: true, f.context: true, f.sampler: true, f.adapter: true, f.batch: true})
	}
}

func TestClosingABatchThatIsBeingDecoded(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	c := newContext(t, m, llama.ContextParams{Ctx: 256, Batch: 256, UBatch: 16, Threads: 1})
	for range 5 {
		b, err := llama.NewBatch(256, 1)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 256 {
			if err := b.Add(llama.Token(300+i), llama.Pos(i), i == 255); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Clear(); err != nil {
			t.Fatal(err)
		}
		closed := make(chan error)
		go func() { closed <- b.Close() }()
		if err := c.Decode(t.Context(), b); err != nil && !errors.Is(err, llama.ErrClosed) {
			t.Error(err)
		}
		if err := <-closed; err != nil {
			t.Error(err)
		}
	}
}

// arguments are the arguments of the methods below, by type. With them, each method of an open object
// succeeds or reaches the engine.
func arguments(t *testing.T, f, open *family, name string, typ reflect.Type) []reflect.Value {
	t.Helper()
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	size, err := open.context.SaveSeq(0, file, nil)
	if err != nil {
		t.Fatal(err)
	}
	special := map[string][]any{
		"Model.Bind":                 {0, unsafe.Pointer(new(int))},
		"Model.BindPacked":           {0, unsafe.Pointer(new(int))},
		"Model.Stream":               {0, 0, unsafe.Pointer(new(int))},
		"Model.StreamExperts":        {0, 0, unsafe.Pointer(new(int)), uintptr(1), 1},
		"Model.Rebind":               {open.model},
		"Model.Repack":               {0, unsafe.Pointer(new(int)), unsafe.Pointer(new(int))},
		"Model.Upload":               {0, unsafe.Pointer(new(int)), uint64(0), uint64(8)},
		"Model.LoadAdapter":          {tinyF16},
		"Model.Detokenize":           {[]llama.Token{1, 2}, true, true},
		"Context.SetThreads":         {1, 1},
		"Context.SetState":           {make([]byte, 64)},
		"Context.SetSeqState":        {llama.SeqID(0), make([]byte, 64)},
		"Context.SaveSeq":            {llama.SeqID(0), file, []llama.Token(nil)},
		"Context.LoadSeq":            {llama.SeqID(0), file, size, 1},
		"Context.DivideSeq":          {llama.SeqID(0), llama.Pos(0), llama.Pos(1), 2},
		"Context.Decode":             {t.Context(), open.batch},
		"Context.Encode":             {t.Context(), open.batch},
		"Context.ApplyAdapter":       {open.adapter, float32(1)},
		"Context.RemoveAdapter":      {open.adapter},
		"Context.ApplyControlVector": {make([]float32, 256), 1, 1},
		"Sampler.Sample":             {open.context, 0},
		"Sampler.Choose":             {make([]float32, 1536)},
		"Sampler.AddGrammar":         {`root ::= "a"`, "root"},
		"Sampler.AddLazyGrammar":     {`root ::= "a"`, "root", []string{"a"}, []llama.Token{1}},
		"Sampler.AddDRY":             {llama.DRYParams{Multiplier: 1, Base: 2, LastN: 8, Breakers: []string{"a"}}},
		"Sampler.AddLogitBias":       {map[llama.Token]float32{1: 1}},
		"Sampler.AddPenalties":       {8, float32(1.1), float32(0), float32(0)},
		"Sampler.AddMirostat":        {uint32(1), float32(5), float32(0.1), 100},
		"Sampler.AddMirostatV2":      {uint32(1), float32(5), float32(0.1)},
	}
	if args, ok := special[name]; ok {
		values := make([]reflect.Value, len(args))
		for i, a := range args {
			values[i] = reflect.ValueOf(a)
		}
		return values
	}
	var values []reflect.Value
	for i := range typ.NumIn() {
		if i == typ.NumIn()-1 && typ.IsVariadic() {
			break
		}
		switch in := typ.In(i); in.Kind() {
		case reflect.Pointer, reflect.Interface, reflect.UnsafePointer, reflect.Func:
			t.Fatalf("%s: no arguments are known for it, add them to this test", name)
		default: // 0, "", no elements
			values = append(values, reflect.Zero(in))
		}
	}
	return values
}

var errorType = reflect.TypeFor[error]()

func TestEveryMethodOfAClosedThingReturnsErrClosed(t *testing.T) {
	adapter := plainAdapter(t)
	f, open := newFamily(t, adapter), newFamily(t, adapter)
	for _, m := range f.members() {
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
	methods := 0
	for _, m := range f.members() {
		v := reflect.ValueOf(m)
		for i := range v.NumMethod() {
			name := memberName(m) + "." + v.Type().Method(i).Name
			method := v.Method(i)
			results := method.Type().NumOut()
			args := arguments(t, f, open, name, method.Type())
			t.Run(name, func(t *testing.T) {
				out := method.Call(args)
				if results == 0 || method.Type().Out(results-1) != errorType {
					return // only that it returns is tested
				}
				err, _ := out[results-1].Interface().(error)
				if strings.HasSuffix(name, ".Close") {
					if err != nil {
						t.Errorf("closing again: %v", err)
					}
					return
				}
				methods++
				if !errors.Is(err, llama.ErrClosed) {
					t.Errorf("%v, want ErrClosed", err)
				}
			})
		}
	}
	if methods < 70 {
		t.Errorf("only %d methods return errors", methods)
	}
	runtime.KeepAlive(open)
}

func TestClosedArguments(t *testing.T) {
	adapter := plainAdapter(t)
	f, closed := newFamily(t, adapter), newFamily(t, adapter)
	for _, m := range closed.members() {
		m.Close()
	}
	for _, tt := range []struct {
		name string
		call func() error
	}{
		{"decoding a closed batch", func() error { return f.context.Decode(t.Context(), closed.batch) }},
		{"encoding a closed batch", func() error { return f.context.Encode(t.Context(), closed.batch) }},
		{"applying a closed adapter", func() error { return f.context.ApplyAdapter(closed.adapter, 1) }},
		{"sampling from a closed context", func() error { _, err := f.sampler.Sample(closed.context, 0); return err }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.call(); !errors.Is(err, llama.ErrClosed) {
				t.Errorf("%v, want ErrClosed", err)
			}
		})
	}
	t.Run("removing a closed adapter that is not applied is no error", func(t *testing.T) {
		if removed, err := f.context.RemoveAdapter(closed.adapter); removed || err != nil {
			t.Error(removed, err)
		}
	})
	t.Run("an applied adapter can be closed and removed then", func(t *testing.T) {
		f.adapter.Close()
		if removed, err := f.context.RemoveAdapter(f.adapter); !removed || err != nil {
			t.Error(removed, err)
		}
	})
	f.check(t, map[closer]bool{f.adapter: true})
}
