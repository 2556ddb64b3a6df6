package system

import "testing"

func TestMappingsThatAreCharged(t *testing.T) {
	p := parseMappings("7f0-7f1 rw-p 0 00:00 0\nSize:   8 kB\nPss:   4 kB\nPss_Dirty:  4 kB\nVmFlags: rd wr ac \n" +
		"7f1-7f2 r--p 0 00:00 0 /x\nSize:  100 kB\nPss:  50 kB\nVmFlags: rd mr \n")
	if p.Commit != 8<<10 || p.Shared != 54<<10 {
		t.Errorf("%+v", p)
	}
}
