package probe_test

import (
	"encoding/json"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/loader/probe"
)

func TestProcessMemoryFollowsTheProcess(t *testing.T) {
	debug.FreeOSMemory() // otherwise memory of other tests could be freed during the measurement
	before, err := probe.ProcessMemory()
	if err != nil {
		t.Fatal(err)
	}
	if before.RSS == 0 || before.Anon == 0 {
		t.Skipf("the system tells the peak alone: %+v", before)
	}
	if before.PeakRSS < before.RSS {
		t.Errorf("%+v", before)
	}
	arena := memory.NewArena(memory.ArenaOptions{ChunkSize: 1 << 20})
	defer arena.Close()
	const size = 64 << 20
	block, err := arena.AllocBlock(memory.PurposePool, size)
	if err != nil {
		t.Fatal(err)
	}
	for i := range size {
		*(*byte)(unsafe.Add(block, i)) = 1
	}
	after, err := probe.ProcessMemory()
	if err != nil {
		t.Fatal(err)
	}
	if after.Anon < before.Anon+32<<20 || after.Anon > before.Anon+96<<20 || after.PeakRSS < after.RSS {
		t.Errorf("64 MiB more: %+v, before %+v", after, before)
	}
}

func TestProcessMemoryIsReadByManyAtOnce(t *testing.T) {
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				if p, err := probe.ProcessMemory(); err != nil || p.PeakRSS == 0 {
					t.Errorf("%+v, %v", p, err)
				}
			}
		})
	}
	wg.Wait()
}

func TestProcessInJSON(t *testing.T) {
	b, err := json.Marshal(probe.Process{RSS: 1, Anon: 2, File: 3, PeakRSS: 4})
	if want := `{"rss_bytes":1,"anon_bytes":2,"file_bytes":3,"peak_rss_bytes":4}`; err != nil || strings.TrimSpace(string(b)) != want {
		t.Errorf("%s, %v", b, err)
	}
}

func BenchmarkProcessMemory(b *testing.B) {
	for b.Loop() {
		if _, err := probe.ProcessMemory(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMeasure(b *testing.B) {
	for b.Loop() {
		if _, err := probe.Measure(); err != nil {
			b.Fatal(err)
		}
	}
}
