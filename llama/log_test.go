//go:build cgo

package llama_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/llama"
)

func init() {
	// Calls that make the engine log, successful and failing ones.
	children["talk"] = func([]string) int {
		ctx := context.Background()
		if _, err := llama.Devices(); err != nil {
			return childError(err)
		}
		if _, err := llama.LoadModel(ctx, "none.gguf", llama.ModelParams{}); err == nil {
			return childError(fmt.Errorf("a missing file was loaded"))
		}
		m, err := llama.LoadModel(ctx, tinyF16, llama.ModelParams{Repack: true})
		if err != nil {
			return childError(err)
		}
		defer m.Close()
		if _, err := m.LoadAdapter(tinyF16); err == nil {
			return childError(fmt.Errorf("a model was loaded as an adapter"))
		}
		c, err := m.NewContext(llama.ContextParams{Ctx: 64, Threads: 1})
		if err != nil {
			return childError(err)
		}
		defer c.Close()
		if err := evaluateTokens(ctx, c, 4); err != nil {
			return childError(err)
		}
		if err := c.SetState(make([]byte, 100)); err == nil {
			return childError(fmt.Errorf("zeros were restored as a state"))
		}
		return 0
	}
}

func childError(err error) int {
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// evaluateTokens evaluates n tokens, each after the other.
func evaluateTokens(ctx context.Context, c *llama.Context, n int) error {
	b, err := llama.NewBatch(1, 1)
	if err != nil {
		return err
	}
	defer b.Close()
	for i := range n {
		b.Clear()
		if err := b.Add(llama.Token(300+i), llama.Pos(i), true); err != nil {
			return err
		}
		if err := c.Decode(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

func TestTheEngineIsSilentByDefault(t *testing.T) {
	res, err := memtest.Run(t.Context(), memtest.Child("talk"), memtest.Limits{})
	memtest.Need(t, err)
	if res.Code != 0 || len(res.Stdout) != 0 || len(res.Stderr) != 0 {
		t.Error(res)
	}
}

// records is a slog.Handler that keeps what it gets.
type records struct {
	level slog.Level
	mu    sync.Mutex
	list  []slog.Record
}

func (r *records) Enabled(_ context.Context, l slog.Level) bool { return l >= r.level }
func (r *records) WithAttrs([]slog.Attr) slog.Handler           { return r }
func (r *records) WithGroup(string) slog.Handler                { return r }
func (r *records) Handle(_ context.Context, rec slog.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, rec)
	return nil
}

// logged runs f with the engine's log of a level and above.
func logged(t *testing.T, level slog.Level, f func()) []slog.Record {
	t.Helper()
	r := &records{level: level}
	llama.SetLogger(slog.New(r))
	defer llama.SetLogger(nil)
	f()
	llama.SetLogger(nil)
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.list
}

func TestSetLogger(t *testing.T) {
	ok := func() { load(t, tinyF16, llama.ModelParams{}) }
	fails := func() {
		if _, err := llama.LoadModel(t.Context(), "none.gguf", llama.ModelParams{}); err == nil {
			t.Error("a missing file was loaded")
		}
	}
	find := func(list []slog.Record, level slog.Level, text string) bool {
		for _, r := range list {
			if r.Level == level && strings.Contains(r.Message, text) {
				return true
			}
		}
		return false
	}
	t.Run("what the engine says of a load arrives line by line", func(t *testing.T) {
		list := logged(t, slog.LevelDebug, ok)
		if len(list) < 20 || !find(list, slog.LevelInfo, "n_ctx_train") {
			t.Errorf("%d records, none of them at level info about n_ctx_train", len(list))
		}
		for _, r := range list {
			engine := ""
			r.Attrs(func(a slog.Attr) bool {
				if a.Key == "engine" {
					engine = a.Value.String()
				}
				return true
			})
			if r.Message == "" || strings.ContainsAny(r.Message, "\r\n") || engine != "llama.cpp" {
				t.Errorf("record %q of engine %q", r.Message, engine)
			}
		}
	})
	t.Run("a failure is an error", func(t *testing.T) {
		if list := logged(t, slog.LevelInfo, fails); !find(list, slog.LevelError, "none.gguf") {
			t.Errorf("no record of level error names the file, of %d", len(list))
		}
	})
	t.Run("a logger of a higher level gets less", func(t *testing.T) {
		for _, r := range logged(t, slog.LevelError, func() { ok(); fails() }) {
			if r.Level < slog.LevelError {
				t.Errorf("record of level %v: %s", r.Level, r.Message)
			}
		}
	})
	t.Run("a logger that is replaced or removed gets nothing more", func(t *testing.T) {
		var first, second bytes.Buffer
		llama.SetLogger(slog.New(slog.NewTextHandler(&first, nil)))
		llama.SetLogger(slog.New(slog.NewTextHandler(&second, nil)))
		ok()
		n := second.Len()
		llama.SetLogger(nil)
		ok()
		if first.Len() != 0 || n == 0 || second.Len() != n {
			t.Errorf("%d bytes to the first logger, %d to the second, %d of them after it was removed", first.Len(), second.Len(), second.Len()-n)
		}
	})
	t.Run("the reason of a failure is in the error, with a logger or without", func(t *testing.T) {
		_, silent := llama.LoadModel(t.Context(), "none.gguf", llama.ModelParams{})
		var loud error
		logged(t, slog.LevelDebug, func() { _, loud = llama.LoadModel(t.Context(), "none.gguf", llama.ModelParams{}) })
		if silent == nil || loud == nil || silent.Error() != loud.Error() || !strings.Contains(silent.Error(), "none.gguf") {
			t.Errorf("%v without a logger, %v with one", silent, loud)
		}
	})
}

func TestLoggersMayBeSetWhileTheEngineTalks(t *testing.T) {
	defer llama.SetLogger(nil)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for range 5 {
				if m, err := llama.LoadModel(t.Context(), tinyF16, llama.ModelParams{MMap: true}); err != nil {
					t.Error(err)
				} else {
					m.Close()
				}
			}
		})
	}
	wg.Go(func() {
		for range 100 {
			llama.SetLogger(slog.New(&records{}))
			llama.SetLogger(nil)
		}
	})
	wg.Wait()
}
