//go:build cgo

package runtime_test

import (
	"os"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/internal/memtest"
)

// Memory beyond a job object's limit is refused before it is allocated, and the error names the
// limit.
func TestAJobObjectRefusesBeforehand(t *testing.T) {
	path := model(t, "large", "f16")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, mode := range []string{"mmap", "copy", "auto"} {
		t.Run(mode, func(t *testing.T) {
			job, err := memtest.NewCgroup(uint64(info.Size()) * 3 / 4)
			memtest.Need(t, err)
			defer job.Close()
			res, err := memtest.Run(t.Context(), memtest.Child("generate", path, "load="+mode, "ctx=128", "ubatch=32"), memtest.Limits{Cgroup: job})
			if err != nil {
				t.Fatal(err)
			}
			if mode != "copy" {
				if res.Code != 0 {
					t.Error(res)
				}
				return
			}
			if text := string(res.Stderr); res.Code != 1 || !strings.Contains(text, "not enough memory") || !strings.Contains(text, "left by the job object") {
				t.Errorf("%v; want the error naming the job object", res)
			}
		})
	}
}
