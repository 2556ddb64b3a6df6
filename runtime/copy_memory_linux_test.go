//go:build cgo

package runtime_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader/probe"
	"github.com/seed7adf6694/infer/runtime"
)

func init() { children["copied"] = childCopied }

// childCopied opens a model and prints how much more was resident at most than is now, in bytes.
func childCopied(args []string) int {
	path, o, _ := parseChild(args)
	return inChild(path, o, func(*runtime.Model, *runtime.Session) error {
		p, err := probe.ProcessMemory()
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(p.PeakRSS - p.RSS)
	})
}

// Weights that are repacked are read from a mapping, from which those that were copied are removed.
func TestACopyDoesNotKeepItsSourceResident(t *testing.T) {
	memtest.WithoutRace(t)
	if !llama.CanRepack() {
		t.Skip("the engine was compiled without repacking")
	}
	path := model(t, "layers=16,width=512,heads=8,ffn=2048,vocab=4096", "q4_0")
	info, err := os.Stat(path)
	memtest.Need(t, err)
	res, err := memtest.Run(t.Context(), memtest.Child("copied", path, "load=copy", "ctx=64", "threads=1"), memtest.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var more uint64
	if err := json.Unmarshal(res.Stdout, &more); res.Code != 0 || err != nil {
		t.Fatal(res, err)
	}
	if t.Logf("%d KiB of %d KiB", more>>10, info.Size()>>10); more > uint64(info.Size())/4 {
		t.Errorf("%d bytes more were resident while a model of %d bytes was copied", more, info.Size())
	}
}
