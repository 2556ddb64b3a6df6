//go:build cgo

package server_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed7adf6694/infer/loader/probe"
	"github.com/seed7adf6694/infer/models"
	"github.com/seed7adf6694/infer/runtime"
	"github.com/seed7adf6694/infer/runtime/server"
)

const (
	small = "layers=4,width=256,heads=4,ffn=1024,vocab=4000"
	big   = "layers=4,width=768,heads=12,ffn=3072,vocab=8000" // 100 MB
)

// folder returns options for a folder with models of these names, with random weights.
func folder(t *testing.T, shapeText string, names ...string) server.Options {
	t.Helper()
	dir := t.TempDir()
	shape, err := models.ParseShape(shapeText)
	if err != nil {
		t.Fatal(err)
	}
	first := ""
	for _, name := range names {
		path := filepath.Join(dir, name+".gguf")
		if first == "" {
			err = models.Synthesize(t.Context(), path, models.SynthesizeOptions{Shape: shape})
			first = path
		} else {
			err = os.Link(first, path)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	o := options()
	o.Path, o.Dir = "", dir
	o.Open.Load = runtime.LoadMMap
	o.Batch.Context = 256
	return o
}

// loaded lists the models that are open.
func loaded(t *testing.T, url string) (list []string) {
	t.Helper()
	status, _, body := get(t, url+"/v1/models")
	for _, m := range at(t, decode(t, status, body), "data").([]any) {
		if at(t, m, "loaded") == true {
			list = append(list, at(t, m, "id").(string))
		}
	}
	return list
}

func TestModelsAreOpenedByName(t *testing.T) {
	_, url := newServer(t, folder(t, small, "first", "second", "third"))
	ask := func(name string) (int, []byte) {
		status, _, body := post(t, url+"/v1/completions", object{"model": name, "prompt": "a", "max_tokens": 2})
		return status, body
	}
	if list := loaded(t, url); len(list) != 0 {
		t.Errorf("open at the beginning: %v", list)
	}
	for _, name := range []string{"second", "first"} {
		status, body := ask(name)
		if o := decode(t, status, body); o["model"] != name {
			t.Errorf("%s", body)
		}
	}
	if list := loaded(t, url); !slices.Equal(list, []string{"first", "second"}) {
		t.Errorf("%v", list)
	}
	status, body := ask("fourth")
	if e := failure(t, body); status != 404 || e["code"] != "model_not_found" || e["param"] != "model" || !strings.Contains(e["message"].(string), "first, second, third") {
		t.Errorf("%d: %s", status, body)
	}
	if status, body := ask("../first"); status != 404 {
		t.Errorf("%d: %s", status, body)
	}
	if status, body := ask(""); status != 400 || failure(t, body)["param"] != "model" {
		t.Errorf("%d: %s", status, body)
	}
}

// Models that were pulled answer to the names by which they were pulled.
func TestPulledModelsHaveTheNamesOfTheirRepositories(t *testing.T) {
	o := folder(t, small, "first")
	dir := filepath.Join(o.Dir, "org", "repo")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"m-Q4_K_M.gguf", "m-Q8_0.gguf"} {
		if err := os.Link(filepath.Join(o.Dir, "first.gguf"), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	_, url := newServer(t, o)
	for name, want := range map[string]string{
		"org/repo": "m-Q4_K_M.gguf", "org/repo:q8_0": "m-Q8_0.gguf", "org/repo/m-Q8_0.gguf": "m-Q8_0.gguf", "hf.co/org/repo:Q4_K_M": "m-Q4_K_M.gguf",
	} {
		status, _, body := post(t, url+"/v1/completions", object{"model": name, "prompt": "a", "max_tokens": 1})
		if got := decode(t, status, body)["model"]; got != "org/repo/"+want {
			t.Errorf("%s: %v", name, got)
		}
	}
	for _, name := range []string{"org/repo:Q5_K_M", "org/other", "org/repo/n.gguf"} {
		status, _, body := post(t, url+"/v1/completions", object{"model": name, "prompt": "a", "max_tokens": 1})
		if status != 404 || failure(t, body)["code"] != "model_not_found" {
			t.Errorf("%s: %d: %s", name, status, body)
		}
	}
}

// The test runs in a process of its own, where neither garbage of other tests nor the race detector's
// memory for it is given back in the middle, and makes room for a third model.
func TestTheLeastRecentlyUsedModelGoesFirst(t *testing.T) {
	const alone = "INFER_TEST_ALONE"
	if os.Getenv(alone) == "" {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(self, "-test.run=^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), alone+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
		return
	}
	o := folder(t, big, "first", "second", "third")
	plan, err := runtime.Plan(t.Context(), filepath.Join(o.Dir, "first.gguf"), runtime.Options{Session: o.Batch.SessionOptions})
	if err != nil {
		t.Fatal(err)
	}
	debug.FreeOSMemory()
	process, err := probe.ProcessMemory()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range plan.Modes {
		if m.Mode == runtime.LoadMMap && !m.Packed {
			o.Open.MaxMemory = 2*m.Resident + m.Resident/2 + process.Anon + process.File // two models, and what the process has
		}
	}
	o.Open.Packed = runtime.PackedOff
	_, url := newServer(t, o)
	for i, step := range []struct {
		name string
		open []string
	}{{"first", []string{"first"}}, {"second", []string{"first", "second"}}, {"first", []string{"first", "second"}}, {"third", []string{"first", "third"}}, {"second", []string{"second", "third"}}} {
		status, _, body := post(t, url+"/v1/completions", object{"model": step.name, "prompt": "a", "max_tokens": 2})
		decode(t, status, body)
		if list := loaded(t, url); !slices.Equal(list, step.open) {
			t.Fatalf("step %d: %v, want %v", i, list, step.open)
		}
	}
}

func TestAModelThatDoesNotFitIsRefused(t *testing.T) {
	o := folder(t, small, "first")
	o.Open.MaxMemory = 1 << 20
	_, url := newServer(t, o)
	status, header, body := post(t, url+"/v1/completions", object{"prompt": "a"})
	e := failure(t, body)
	if status != 503 || e["code"] != "insufficient_memory" || header.Get("Retry-After") == "" || e["requested_bytes"].(float64) <= 0 || !strings.Contains(e["message"].(string), "MiB") {
		t.Errorf("%d: %s", status, body)
	}
}

func TestAnIdleModelIsClosedAndOpenedAgain(t *testing.T) {
	o := options()
	o.IdleTimeout = 50 * time.Millisecond
	_, url := newServer(t, o)
	for range 2 {
		status, _, body := post(t, url+"/v1/completions", short)
		decode(t, status, body)
		until(t, "closed", func() bool { return len(loaded(t, url)) == 0 })
	}
	_, _, body := get(t, url+"/metrics")
	for _, want := range []string{`llamacpp:tokens_predicted_total{model="tiny-stories-f16"} 2`, "infer_models_open 0"} {
		if !strings.Contains(string(body), want) {
			t.Errorf("%s is missing", want)
		}
	}
}
