package threads

import (
	"fmt"
	"testing"
	"testing/fstest"
)

func TestCores(t *testing.T) {
	all := func(int) bool { return true }
	twice := fstest.MapFS{} // eight processors of four cores
	for cpu := range 8 {
		twice[fmt.Sprintf("system/cpu/cpu%d/topology/thread_siblings_list", cpu)] = &fstest.MapFile{Data: fmt.Appendf(nil, "%d-%d\n", cpu/2*2, cpu/2*2+1)}
	}
	twice["system/cpu/cpufreq/boost"] = &fstest.MapFile{}
	hybrid := fstest.MapFS{"cpu_core/cpus": &fstest.MapFile{Data: []byte("0-1,4\n")}}
	for name, f := range twice {
		hybrid[name] = f
	}
	for _, tt := range []struct {
		name    string
		devices fstest.MapFS
		allowed func(int) bool
		want    int
	}{
		{"two threads a core", twice, all, 4},
		{"not all of them may be used", twice, func(cpu int) bool { return cpu < 3 }, 2},
		{"one thread of each", twice, func(cpu int) bool { return cpu%2 == 0 }, 4},
		{"two kinds of cores", hybrid, all, 2},
		{"only slow ones may be used", hybrid, func(cpu int) bool { return cpu >= 6 }, 1},
		{"a system that does not say", fstest.MapFS{}, all, 0},
		{"nor for one of them", fstest.MapFS{"system/cpu/cpu0/online": &fstest.MapFile{}}, all, 0},
	} {
		if got := coresIn(tt.devices, tt.allowed); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
	if n := Default(); n < 1 || n > Most {
		t.Errorf("%d threads by default", n)
	}
}
