//go:build cgo

package runtime_test

import (
	"errors"
	"fmt"
	goruntime "runtime"
	"testing"

	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/runtime"
)

// Memory granted to sessions and not touched yet is not available to another session: in a
// small control group, all sessions that could be made can be filled.
func TestSessionsThatAreMadeCanBeFilled(t *testing.T) {
	cg, err := memtest.NewCgroup(160 << 20)
	memtest.Need(t, err)
	defer cg.Close()
	res, err := memtest.Run(t.Context(), memtest.Child("sessions", tinyF16, "load=mmap", "ctx=1024", fmt.Sprintf("threads=%d", min(2, goruntime.NumCPU()))), memtest.Limits{Cgroup: cg})
	if err != nil {
		t.Fatal(err)
	}
	use, err := cg.Usage()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	if _, err := fmt.Sscan(string(res.Stdout), &n); err != nil || res.Code != 0 || use.OOMKills != 0 {
		t.Fatalf("%v, %+v", res, use)
	}
	if n < 2 {
		t.Errorf("only %d sessions", n)
	}
	t.Logf("%d sessions, peak %d of %d", n, use.Peak, cg.Limit)
}

// childSessions makes sessions until one is refused, fills all of them, and prints their number.
func childSessions(args []string) int {
	path, o, so := parseChild(args)
	so.CacheTypeK, so.CacheTypeV, so.UBatch = "f16", "f16", so.Context
	so.FlashAttention = llama.FlashOff // faster here
	o.Session = so
	return inChild(path, o, func(m *runtime.Model, first *runtime.Session) error {
		sessions := []*runtime.Session{first}
		for len(sessions) < 50 {
			s, err := m.NewSession(background, so)
			if errors.Is(err, runtime.ErrInsufficientMemory) {
				break
			}
			if err != nil {
				return err
			}
			defer s.Close()
			sessions = append(sessions, s)
		}
		for _, s := range sessions {
			if err := s.Evaluate(background, make([]int32, so.Context), runtime.EvaluateOptions{}); err != nil {
				return err
			}
		}
		fmt.Println(len(sessions))
		return nil
	})
}
