//go:build cgo

package benchmarks

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/benchmarks/internal/system"
	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/runtime"
)

// withSetting gives a model a disk whose setting is a plain file.
func withSetting(t *testing.T, m *preparedModel) (setting func() string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "read_ahead_kb")
	if err := os.WriteFile(file, []byte("8192\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	m.readahead = &system.Readahead{Disk: "vdz", File: file}
	return func() string {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(b))
	}
}

// However a case ends, the setting is what it was before, and the record has what it was meanwhile.
func TestReadaheadIsSetBack(t *testing.T) {
	m := tinyModel(t)
	setting := withSetting(t, m)
	seen := filepath.Join(t.TempDir(), "seen")
	look := []string{"sh", "-c", "cp " + m.readahead.File + " " + seen}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for _, tt := range []struct {
		name    string
		command []string
		ctx     context.Context
		err     error
	}{
		{"a program that ends", look, t.Context(), nil},
		{"one that is missing", []string{filepath.Join(t.TempDir(), "nothing")}, t.Context(), os.ErrNotExist},
		{"one that is interrupted", []string{"sleep", "60"}, ctx, context.Canceled},
	} {
		r := Runner{Repetitions: 1, Command: tt.command}
		if tt.err == context.Canceled {
			r.OnProgress = func(Progress) { cancel() }
		}
		rs, err := r.run(tt.ctx, plan{model: m, cases: []testCase{{name: "x", readahead: 128 << 10}}})
		if !errors.Is(err, tt.err) || setting() != "8192" {
			t.Errorf("%s: %v, the setting is %s", tt.name, err, setting())
		}
		if tt.err == nil && (len(rs) != 1 || rs[0].Metrics[readaheadBytes] != 128<<10) {
			t.Errorf("%s: %+v", tt.name, rs)
		}
	}
	if b, err := os.ReadFile(seen); err != nil || string(b) != "128\n" {
		t.Errorf("meanwhile it was %q, %v", b, err)
	}
}

func TestReadaheadsToMeasureAt(t *testing.T) {
	m := tinyModel(t)
	setting := withSetting(t, m)
	texts := func(mixture bool, o PressureOptions) string {
		list, err := o.readaheads(m, mixture)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, s := range list {
			out = append(out, strings.TrimSpace(s.label+" "+s.skip))
		}
		return strings.Join(out, "; ")
	}
	for _, tt := range []struct {
		name    string
		mixture bool
		asked   []uint64
		want    string
	}{
		{"a dense model", false, nil, ""},
		{"a mixture", true, nil, "8.0 MiB; 128 KiB"},
		{"what is asked for", false, []uint64{64 << 10, 0}, "64 KiB; 8.0 MiB"},
	} {
		if got := texts(tt.mixture, PressureOptions{Readahead: tt.asked}); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	var told []string
	r := Runner{OnNotice: func(s string) { told = append(told, s) }}
	r.tellReadahead(m, []testCase{{}})
	r.tellReadahead(m, []testCase{{readahead: 4096}})
	if len(told) != 1 || !strings.Contains(told[0], "echo 8192 > "+m.readahead.File) {
		t.Errorf("%q", told)
	}

	undo, err := memtest.ReadOnlyDir(filepath.Dir(m.readahead.File))
	memtest.Need(t, err)
	defer func() {
		if err := undo(); err != nil {
			t.Error(err)
		}
	}()
	if got := texts(true, PressureOptions{}); !strings.HasPrefix(got, "8.0 MiB; 128 KiB cannot set the readahead of the disk vdz, which takes root: ") {
		t.Errorf("a mixture where nothing may be set: %q", got)
	}
	_, err = PressureOptions{Readahead: []uint64{4096}}.readaheads(m, false)
	if refused := (*ReadaheadError)(nil); !errors.As(err, &refused) || !errors.Is(err, ErrReadahead) || refused.Disk != "vdz" {
		t.Errorf("%v", err)
	}
	if setting() != "8192" {
		t.Errorf("the setting is %s", setting())
	}
	m.readahead, m.readaheadErr = nil, fs.ErrNotExist
	if got := texts(true, PressureOptions{}); !strings.HasPrefix(got, "as it is; 128 KiB cannot set") {
		t.Errorf("a disk that is unknown: %q", got)
	}
	for _, bad := range [][]uint64{{1000}, {4096, 4096}, {1 << 40}, {}} {
		if _, err := (&Runner{}).Pressure(t.Context(), PressureOptions{Readahead: bad}); !errors.Is(err, runtime.ErrOption) {
			t.Errorf("%v: %v", bad, err)
		}
	}
}
