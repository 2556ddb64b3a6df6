package runtime_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed7adf6694/infer/internal/fieldtest"
	"github.com/seed7adf6694/infer/loader/residency"
	"github.com/seed7adf6694/infer/runtime"
)

// keys encodes v and returns the names of its fields in order.
func keys(t *testing.T, v any) []string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var object map[string]any
	if err := json.Unmarshal(b, &object); err != nil {
		t.Fatal(err)
	}
	return slices.Sorted(maps.Keys(object))
}

// changes checks for each field of base that a change of it shows in JSON.
func changes[T any](t *testing.T, base T) {
	text := func(v T) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Errorf("%+v: %v", v, err)
		}
		return string(b)
	}
	shown := map[string]bool{}
	fieldtest.Each(base, func(name string, v T) {
		field, _, _ := strings.Cut(name, " ")
		shown[field] = shown[field] || text(v) != text(base)
	})
	for field, is := range shown {
		if !is {
			t.Errorf("%T.%s is not in its JSON", base, field)
		}
	}
}

func TestReportsEncodeAllOfTheirFields(t *testing.T) {
	changes(t, runtime.Report{})
	changes(t, runtime.Stats{})
	changes(t, residency.Stats{})
}

// Names are stable.
func TestNamesOfReportsInJSON(t *testing.T) {
	report := runtime.Report{Residency: &residency.Stats{Reading: time.Second, Read: 6, Passes: 3}, LoadDuration: 1500 * time.Millisecond, Path: "a&b"}
	for _, c := range []struct {
		name string
		v    any
		want string
	}{
		{"Report", report, `adjusted architecture budget_bytes chunk_size_bytes chunks description devices flash_attention flash_attention_reason gpu_layers
			largest_allocation_bytes largest_range_bytes largest_tensor largest_tensor_bytes load_mode load_reason load_seconds memory model
			packed_bytes parameters peak_anon_bytes peak_file_bytes peak_rss_bytes process repacked_bytes residency warnings weights_bytes`},
		{"Stats", runtime.Stats{}, `accepted_tokens batch_threads context_tokens context_used_tokens drafted_tokens flash_attention
			generate_seconds generated_tokens notes passes prompt_cached_tokens prompt_seconds prompt_tokens prompt_tokens_per_second seed threads
			tokens_per_second ubatch_tokens`},
		{"ResidencyStats", report.Residency, `budget_bytes experts hits layers method misses passes read_bytes read_bytes_per_pass
			read_bytes_per_second reading_seconds resident_bytes slots slots_bytes stalled_seconds streamed_layers`},
	} {
		if got, want := keys(t, c.v), strings.Fields(c.want); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", c.name, got, want)
		}
	}
	b, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"adjusted":[]`, `"warnings":[]`, `"load_seconds":1.5`, `"load_mode":"auto"`, `"model":"a\u0026b"`, `"read_bytes_per_second":6`, `"read_bytes_per_pass":2`} {
		if !strings.Contains(string(b), want) {
			t.Errorf("no %s in %s", want, b)
		}
	}
}
