//go:build cgo && linux && amd64

package start_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// On an emulated CPU (QEMU), a program names the features of its level that are missing.
func TestACPUOfAnEarlierLevel(t *testing.T) {
	qemu, err := exec.LookPath("qemu-x86_64")
	if err != nil {
		t.Skip("QEMU's user mode is not installed (qemu-user):", err)
	}
	name := filepath.Join(t.TempDir(), "hello")
	for _, c := range []struct{ flag, cpu, lacking string }{
		{"-march=x86-64-v3", "Nehalem", " avx "},
		{"-march=x86-64-v3", "Haswell", ""},
		{"-march=x86-64-v2", "Nehalem", ""},
		{"-march=x86-64-v2", "core2duo", " sse4.2 "},
		{"-march=x86-64-v4", "Haswell", " avx512f "},
	} {
		system{}.build(t, name, c.flag)
		out, stderr, code := result(t, exec.Command(qemu, "-cpu", c.cpu, name))
		if c.lacking == "" && (code != 7 || !strings.HasPrefix(out, "[]")) || c.lacking != "" && (code != 1 || !strings.Contains(stderr, c.lacking)) {
			t.Errorf("%s on a %s: exit code %d, stdout %q, stderr %q", c.flag, c.cpu, code, out, stderr)
		}
	}
}
