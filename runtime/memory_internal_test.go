//go:build cgo

package runtime

import (
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/loader/probe"
	"github.com/seed7adf6694/infer/models"
)

// growing is a system with the given commit left now, and 8 GiB after its page files have
// grown.
func growing(left uint64) probe.Probe {
	const gib = 1 << 30
	return probe.Probe{
		RAMTotal: 16 * gib, RAMAvailable: 10 * gib, CgroupLeft: probe.Unlimited, AddressSpaceLeft: probe.Unlimited, DataLeft: probe.Unlimited,
		CommitLimit: 16 * gib, CommitLeft: left, CommitPossible: 24*gib - left, CommitPossibleLeft: 8 * gib,
	}
}

func TestPageFilesGrowForWhatHasNoOtherWay(t *testing.T) {
	const gib = 1 << 30
	p := growing(gib)
	parts := func(n uint64) memory.Parts { return memory.Parts{}.With(memory.PurposeKV, n) }
	if refused := roomFor(parts(4*gib), p); refused != nil {
		t.Error(refused)
	}
	if n := growth(4*gib, p); n != 3*gib {
		t.Errorf("page files grow by %d", n)
	}
	if n := growth(gib, p) + growth(4*gib, p.Fixed()); n != 0 {
		t.Errorf("page files grow by %d", n)
	}
	if refused := roomFor(parts(9*gib), p); refused == nil || refused.Available != 8*gib || refused.Limit != probe.LimitGrown {
		t.Error(refused)
	}
	if refused := roomFor(parts(4*gib), p.Fixed()); refused == nil || refused.Available != gib || refused.Limit != "commit limit" {
		t.Error(refused)
	}
}

func TestPageFilesDoNotGrowForACopy(t *testing.T) {
	if !llama.CanRepack() {
		t.Skip("the engine was compiled without repacking (-DGGML_USE_CPU_REPACK)")
	}
	path, err := models.Tiny()
	if err != nil {
		t.Fatal(err)
	}
	index, err := loader.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer index.Close()
	src, err := newSource(path, index, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	mode, why, err := chooseMode(src, growing(src.plan.Bytes), Options{}.config())
	if err != nil || mode != LoadMMap || !strings.Contains(why, "commit limit, before page files grow") {
		t.Errorf("%v: %s, %v", mode, why, err)
	}
	if mode, why, err = chooseMode(src, growing(4*src.plan.Bytes), Options{}.config()); err != nil || mode != LoadCopy {
		t.Errorf("%v: %s, %v", mode, why, err)
	}
	if _, _, err = chooseMode(src, growing(src.plan.Bytes/2), Options{Load: LoadCopy}.config()); err != nil {
		t.Error("a copy that was asked for:", err)
	}
}
