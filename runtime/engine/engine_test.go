//go:build cgo

package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"testing"
	"time"

	"github.com/seed7adf6694/infer/internal/enginetest"
	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/llama/engines"
	"github.com/seed7adf6694/infer/runtime/engine"
)

const trialArgument = "engine-trial"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == trialArgument {
		if err := engine.Trial(context.Background(), os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(memtest.Main(m, memtest.Children{"use": childUse}))
}

// childUse uses the engine that its argument names, and prints what it is.
func childUse(args []string) int {
	info, err := engine.Use(context.Background(), options(args[0]))
	if err == nil {
		_, err = engine.Use(context.Background(), engine.Options{Engine: args[0]}) // again
	}
	if err == nil {
		if _, err := engine.Use(context.Background(), engine.Options{Engine: engine.Builtin}); args[0] != engine.Builtin && !errors.Is(err, llama.ErrEngineInUse) {
			fmt.Fprintln(os.Stderr, "a second engine:", err)
			return 1
		}
		err = json.NewEncoder(os.Stdout).Encode(info)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// options are those with this program for trials.
func options(name string) engine.Options {
	exe, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return engine.Options{Engine: name, Command: []string{exe, trialArgument}}
}

// ownFolders gives this process and its children empty folders for data and configuration.
func ownFolders(t *testing.T) {
	t.Helper()
	home := t.TempDir()
	for _, name := range []string{"HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "LocalAppData", "AppData"} {
		t.Setenv(name, home)
	}
}

// functions are those that an engine is asked for first.
var functions = strings.Fields(`llama_model_default_params llama_context_default_params llama_model_quantize_default_params ggml_backend_buft_name
	ggml_backend_buft_get_alignment ggml_backend_buft_get_max_size ggml_backend_buft_get_device ggml_backend_buffer_get_type
	ggml_backend_buffer_get_size ggml_backend_buffer_get_usage ggml_tensor_overhead llama_sampler_init llama_sampler_name
	llama_sampler_accept llama_sampler_apply llama_sampler_reset llama_sampler_clone llama_sampler_free
	ggml_backend_load_all_from_path ggml_backend_dev_by_type ggml_backend_dev_backend_reg ggml_backend_reg_get_proc_address`)

// engineSource is the source of a library llama of a version without one of the functions.
func engineSource(version, without string) string {
	source := fmt.Sprintf("const char *llama_version(void) { return %q; }\n", version)
	for _, f := range functions {
		if f != without {
			source += "void " + f + "(void) {}\n"
		}
	}
	return source
}

// engineFolder makes a folder with an engine whose library llama has a source.
func engineFolder(t *testing.T, source string) string {
	t.Helper()
	cc, err := exec.LookPath("cc")
	if err != nil || goruntime.GOOS == "windows" {
		t.Skip("no C compiler cc for libraries of this system")
	}
	extension := ".so"
	if goruntime.GOOS == "darwin" {
		extension = ".dylib"
	}
	dir := t.TempDir()
	for name, source := range map[string]string{"ggml-base": "int base;\n", "ggml": "int ggml;\n", "llama": source} {
		cmd := exec.Command(cc, "-shared", "-fPIC", "-w", "-o", filepath.Join(dir, "lib"+name+extension), "-x", "c", "-")
		cmd.Stdin = strings.NewReader(source)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	return dir
}

func TestEnginesThatFailTheirTrialAreRefused(t *testing.T) {
	ownFolders(t)
	const begin = "__attribute__((constructor)) static void begin(void) "
	for _, tt := range []struct {
		name, source string
		failure      engine.Failure
		reason       string
	}{
		{"another version", engineSource("0.9.0", ""), engine.Version, "it is llama.cpp 0.9.0"},
		{"no version", "int llama;\n", engine.Version, "llama_version"},
		{"a function is missing", engineSource("0.5.0", "llama_sampler_clone"), engine.Version, "it lacks functions: llama_sampler_clone"},
		{"a struct has another layout", engineSource("0.5.0", ""), engine.Version, "llama_model_params has another layout"},
		{"a library that can't be linked", "int missing(void); int x(void) { return missing(); }\n" + begin + "{ x(); }\n", engine.Version, "missing"},
		{"an illegal instruction", "#include <signal.h>\n" + begin + "{ raise(SIGILL); }\n", engine.Crash, "SIGILL"},
		{"a failed assertion", "#include <stdlib.h>\n" + begin + "{ abort(); }\n", engine.Crash, "SIGABRT"},
		{"an exit", "#include <stdlib.h>\n" + begin + "{ _Exit(7); }\n", engine.Crash, "exit status 7"},
		{"a trial that does not end", "#include <unistd.h>\n" + begin + "{ for (;;) pause(); }\n", engine.Hang, "did not end within"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := options(engineFolder(t, tt.source))
			if tt.failure == engine.Hang {
				o.Timeout = 2 * time.Second
			}
			var e *engine.Error
			_, err := engine.Use(t.Context(), o)
			if !errors.Is(err, engine.ErrRefused) || !errors.As(err, &e) || e.Failure != tt.failure || !strings.Contains(e.Reason, tt.reason) || !e.Checked.IsZero() {
				t.Fatalf("%+v", err)
			}
			if errors.Is(err, llama.ErrEngineVersion) != (tt.failure == engine.Version) {
				t.Errorf("%v: of another kind", err)
			}
			if strings.Count(err.Error(), o.Engine) != 1 && tt.reason != "missing" {
				t.Errorf("%q: the folder is not named once", err)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%q: several lines", err)
			}
			// The verdict is kept, and needs no second trial.
			_, err = engine.Use(t.Context(), engine.Options{Engine: o.Engine})
			if !errors.As(err, &e) || e.Failure != tt.failure || e.Checked.IsZero() {
				t.Errorf("later: %+v", err)
			}
			if now := llama.Engine(); now.Folder != "" {
				t.Errorf("in use: %+v", now)
			}
		})
	}
	c, err := engine.Check(t.Context(), options(engine.Builtin))
	if err != nil || c.Err() != nil {
		t.Errorf("the compiled-in engine afterwards: %+v, %v", c, err)
	}
}

func TestTheCompiledInEngineComputesTheKnownText(t *testing.T) {
	ownFolders(t)
	c, err := engine.Check(t.Context(), options(engine.Builtin))
	if err != nil || !c.OK || c.Err() != nil || c.Engine.ABI != llama.ABIBuiltin || len(c.Devices) == 0 || c.Hash != "" {
		t.Errorf("%+v, %v", c, err)
	}
	for _, name := range []string{"", engine.Auto, engine.Builtin} {
		if now := llama.Engine(); now.Folder != "" {
			t.Skip("another engine is in use in this run")
		}
		if info, err := engine.Use(t.Context(), engine.Options{Engine: name}); err != nil || info.ABI != llama.ABIBuiltin {
			t.Errorf("%q: %+v, %v", name, info, err)
		}
	}
}

func TestTextFilesAndMissingFoldersAreNoEngines(t *testing.T) {
	ownFolders(t)
	dir := t.TempDir()
	for _, name := range []string{"libllama.so", "libggml.so", "libggml-base.so", "llama.dll", "ggml.dll", "ggml-base.dll", "libllama.dylib", "libggml.dylib", "libggml-base.dylib"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("a text that is long enough for the head of a library of any system that there is\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := engine.Use(t.Context(), options(dir)); !errors.Is(err, engines.ErrNoEngine) {
		t.Errorf("%v", err)
	}
	if _, err := engine.Use(t.Context(), options("never-added")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

func TestAnEngineWithoutAVerdictNeedsATrial(t *testing.T) {
	ownFolders(t)
	dir := engineFolder(t, engineSource("0.9.0", ""))
	_, err := engine.Use(t.Context(), engine.Options{Engine: dir})
	if !errors.Is(err, engine.ErrUntried) || errors.Is(err, engine.ErrRefused) || !strings.Contains(err.Error(), "infer engine check") {
		t.Errorf("%v", err)
	}
	if _, err := engine.Check(t.Context(), engine.Options{Engine: dir}); err == nil {
		t.Error("checked without a program")
	}
	// Allowed without a trial, it is refused by the checks of this process.
	if _, err := engine.Use(t.Context(), engine.Options{Engine: dir, Untried: true}); !errors.Is(err, llama.ErrEngineVersion) {
		t.Errorf("%v", err)
	}
	// A program that can't be started is no verdict.
	o := engine.Options{Engine: dir, Command: []string{filepath.Join(dir, "none")}}
	if _, err := engine.Use(t.Context(), o); err == nil || errors.Is(err, engine.ErrRefused) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := engine.Use(ctx, options(dir)); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if _, err := engine.Use(t.Context(), engine.Options{Engine: dir}); !errors.Is(err, engine.ErrUntried) {
		t.Errorf("%v: there is a verdict", err)
	}
}

func TestAChosenFolderThatOthersCanWriteIsRefused(t *testing.T) {
	if goruntime.GOOS == "windows" {
		t.Skip("no modes of files on this system")
	}
	ownFolders(t)
	dir := engineFolder(t, engineSource("0.9.0", ""))
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := engines.SetChoice(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := engine.Use(t.Context(), options(engine.Auto)); !errors.Is(err, engines.ErrUntrusted) {
		t.Errorf("%v", err)
	}
	// By its name it is tried.
	if _, err := engine.Use(t.Context(), options(dir)); !errors.Is(err, engine.ErrRefused) {
		t.Errorf("%v", err)
	}
}

// The real libraries, in a process of their own.
func TestARealEngineIsTriedAndUsed(t *testing.T) {
	folder := enginetest.Folder(t)
	ownFolders(t)
	c, err := engine.Check(t.Context(), options(folder))
	if err != nil || c.Err() != nil || c.Engine.ABI != llama.ABIv05 || len(c.Devices) == 0 || c.Hash == "" {
		t.Fatalf("%+v, %v", c, err)
	}
	for _, name := range []string{folder, engine.Auto} {
		res, err := memtest.Run(t.Context(), memtest.Child("use", name), memtest.Limits{})
		if err != nil || res.Code != 0 {
			t.Fatalf("%s: %v, %+v", name, err, res)
		}
		var info llama.EngineInfo
		if err := json.Unmarshal(res.Stdout, &info); err != nil || info != c.Engine {
			t.Errorf("%s: %+v, want %+v", name, info, c.Engine)
		}
		if err := engines.SetChoice(folder); err != nil {
			t.Fatal(err)
		}
	}
}
