package system

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tree makes files of a tree like /sys, with the links of dev/block.
func tree(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range map[string]string{
		"devices/pci/block/vda/queue/read_ahead_kb":      "8192\n",
		"devices/pci/block/vda/vda1/partition":           "1\n",
		"devices/virtual/block/dm-0/queue/read_ahead_kb": "128\n",
		"class/bdi/0:44/read_ahead_kb":                   "64\n",
	} {
		name = filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(root, "dev/block"), 0o700); err != nil {
		t.Fatal(err)
	}
	for number, dir := range map[string]string{"254:0": "pci/block/vda", "254:1": "pci/block/vda/vda1", "253:0": "virtual/block/dm-0"} {
		if err := os.Symlink("../../devices/"+dir, filepath.Join(root, "dev/block", number)); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestTheReadaheadOfADisk(t *testing.T) {
	root := tree(t)
	for _, tt := range []struct {
		name         string
		major, minor uint32
		disk         string
		bytes        uint64
	}{
		{"a disk", 254, 0, "vda", 8 << 20},
		{"a partition", 254, 1, "vda", 8 << 20},
		{"device-mapper", 253, 0, "dm-0", 128 << 10},
		{"a network file system", 0, 44, "device 0:44", 64 << 10},
	} {
		r, err := readaheadIn(root, tt.major, tt.minor)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if n, err := r.Bytes(); err != nil || n != tt.bytes || r.Disk != tt.disk {
			t.Errorf("%s: %d of %s, %v", tt.name, n, r.Disk, err)
		}
	}
	if r, err := readaheadIn(root, 0, 1); err == nil || !strings.Contains(err.Error(), "0:1") {
		t.Errorf("memory: %+v, %v", r, err)
	}
}

func TestReadaheadIsSet(t *testing.T) {
	r, err := readaheadIn(tree(t), 254, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Set(4 << 20); err != nil {
		t.Fatal(err)
	}
	if n, err := r.Bytes(); err != nil || n != 4<<20 {
		t.Errorf("%d, %v", n, err)
	}
	if err := r.Set(100); err == nil {
		t.Error("100 bytes were set")
	}
	if n, err := r.Bytes(); err != nil || n != 4<<20 {
		t.Errorf("changed by what is refused: %d, %v", n, err)
	}
	if err := os.Remove(r.File); err != nil {
		t.Fatal(err)
	}
	if err := r.Set(4 << 20); err == nil {
		t.Error("a setting that is gone was set")
	}
}
