//go:build cgo

package runtime_test

import (
	"context"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/seed7adf6694/infer/internal/enginetest"
	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/models"
	"github.com/seed7adf6694/infer/runtime"
)

const (
	tinyF16 = "../models/tiny/tiny-stories-f16.gguf"
	prompt  = "Once upon a time"
)

// tempDir holds the models that the tests make, for the whole run.
var tempDir string

// children are the tasks of child processes; files of a system add those of that system.
var children = memtest.Children{
	"architectures": childArchitectures,
	"generate":      childGenerate,
	"carved":        childCarved,
	"bound":         childBound,
	"cycles":        childCycles,
	"refused":       childRefused,
	"sessions":      childSessions,
	"plan":          childPlan,
	"addresses":     childAddressSpace,
	"budget":        childBudget,
	"cut":           childCut,
	"giveway":       childGiveWay,
	"taker":         childTaker,
	"turns":         childTurns,
}

// TestMain runs the tests with the engine in the folder $INFER_TEST_ENGINE, if that is set.
func TestMain(m *testing.M) {
	enginetest.Use()
	if memtest.Race { // whose shadow memory grows by hundreds of megabytes, and goes when Go likes
		runtime.FixBase(128 << 20)
	}
	if os.Getenv(runtime.PackedCacheVariable) == "" { // children inherit it
		os.Setenv(runtime.PackedCacheVariable, filepath.Join(sharedDir(nil), "packed"))
	}
	code := memtest.Main(m, children)
	if tempDir != "" {
		os.RemoveAll(tempDir)
	}
	os.Exit(code)
}

// parseChild reads a child's arguments: a model, then key=value.
func parseChild(args []string) (path string, o runtime.Options, s runtime.SessionOptions) {
	path = args[0]
	for _, a := range args[1:] {
		k, v, _ := strings.Cut(a, "=")
		n, _ := strconv.ParseUint(v, 10, 64)
		switch k {
		case "load":
			o.Load, _ = runtime.ParseLoadMode(v)
		case "chunk":
			o.ChunkSize = n
		case "norepack":
			o.NoRepack = true
		case "ctx":
			s.Context = int(n)
		case "ubatch":
			s.UBatch = int(n)
		case "threads":
			s.Threads = int(n)
		case "cache":
			s.CacheTypeK, s.CacheTypeV = v, v
		case "flash":
			s.FlashAttention = map[string]llama.FlashAttention{"on": llama.FlashOn, "off": llama.FlashOff}[v]
		}
	}
	return path, o, s
}

// inChild runs f with a model and a session, and returns the child's exit code.
func inChild(path string, o runtime.Options, f func(*runtime.Model, *runtime.Session) error) int {
	err := func() error {
		m, err := runtime.Open(context.Background(), path, o)
		if err != nil {
			return err
		}
		defer m.Close()
		s, err := m.NewSession(background, o.Session)
		if err != nil {
			return err
		}
		defer s.Close()
		return f(m, s)
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// childGenerate prints the greedy tokens of the prompt, or the error.
func childGenerate(args []string) int {
	path, o, so := parseChild(args)
	tokens, _, err := greedy(context.Background(), path, o, so, 24)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(tokens)
	return 0
}

// greedy opens a model, generates and closes it.
func greedy(ctx context.Context, path string, o runtime.Options, so runtime.SessionOptions, n int) ([]int32, runtime.Report, error) {
	m, err := runtime.Open(ctx, path, o)
	if err != nil {
		return nil, runtime.Report{}, err
	}
	defer m.Close()
	s, err := m.NewSession(background, so)
	if err != nil {
		return nil, m.Report(), err
	}
	defer s.Close()
	var tokens []int32
	for t, err := range s.Generate(ctx, prompt, runtime.GenerateOptions{MaxTokens: n, IgnoreEOG: true, Sampling: runtime.Sampling{Greedy: true}}) {
		if err != nil {
			return tokens, m.Report(), err
		}
		tokens = append(tokens, t.ID)
	}
	return tokens, m.Report(), nil
}

var background = context.Background()

var made struct {
	sync.Mutex
	paths map[string]string
}

// model returns the path of a test model, which is made at first use: the tiny one quantised
// to a type, or one of random weights: "synthetic" (16 MiB as f16), "large" (250 MiB) or any
// shape.
func model(t testing.TB, kind, typ string) string {
	t.Helper()
	if kind == "tiny" && typ == "f16" {
		return tinyF16
	}
	made.Lock()
	defer made.Unlock()
	key := kind + "-" + typ
	if p := made.paths[key]; p != "" {
		if _, err := os.Stat(p); err == nil {
			return p
		}
	}
	h := fnv.New32()
	fmt.Fprint(h, key)
	path := filepath.Join(sharedDir(t), fmt.Sprintf("%s-%x.gguf", key, h.Sum32()))
	var err error
	if kind == "tiny" {
		err = runtime.Quantize(t.Context(), tinyF16, path, runtime.QuantizeOptions{Type: typ})
	} else {
		var shape models.Shape
		text := kind
		switch kind {
		case "synthetic":
			text = "layers=3,width=512,heads=8,kv_heads=2,ffn=1536,vocab=2048"
		case "large": // much larger than the Go runtime
			text = "layers=8,width=1024,heads=8,kv_heads=2,ffn=4096,vocab=4096"
		}
		if shape, err = models.ParseShape(text); err == nil {
			err = runtime.Synthesize(t.Context(), path, models.SynthesizeOptions{Shape: shape, Type: typ, Seed: 7})
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	if made.paths == nil {
		made.paths = map[string]string{}
	}
	made.paths[key] = path
	return path
}

// sharedDir lasts until TestMain removes it.
func sharedDir(t testing.TB) string {
	if tempDir == "" {
		var err error
		if tempDir, err = os.MkdirTemp("", "infer-runtime-test-"); err != nil {
			panic(err)
		}
	}
	return tempDir
}

func open(t testing.TB, path string, o runtime.Options) *runtime.Model {
	t.Helper()
	m, err := runtime.Open(t.Context(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func session(t testing.TB, m *runtime.Model, o runtime.SessionOptions) *runtime.Session {
	t.Helper()
	s, err := m.NewSession(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func equal(t *testing.T, what string, got, want []int32) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: tokens %v, want %v", what, got, want)
	}
}
