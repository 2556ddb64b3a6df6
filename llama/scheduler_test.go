//go:build cgo

package llama_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// What scheduler.h and wrap.hpp know of the inside of the engine. The fields have its names.
func TestTheSchedulerIsTheEngines(t *testing.T) {
	compile := compiler(t)
	header := read(t, "scheduler.h")
	theirs := map[string]string{"hash_set": "ggml_hash_set", "graph": "ggml_cgraph", "split": "ggml_backend_sched_split", "scheduler": "ggml_backend_sched"}
	var p strings.Builder
	add := func(format string, args ...any) { fmt.Fprintf(&p, format+"\n", args...) }
	// The header without its include: the engine's own declarations stand in for it.
	add("#include \"ggml-backend.cpp\"\n%s", strings.Replace(header, `#include "shim.h"`, "", 1))
	fields := 0
	for _, s := range regexp.MustCompile(`(?ms)^struct (\w+) \{\n(.*?)^\};`).FindAllStringSubmatch(header, -1) {
		ours, engines := s[1], theirs[s[1]]
		if engines == "" {
			t.Fatalf("struct %s is of no struct of the engine's", ours)
		}
		delete(theirs, ours)
		add(`static_assert(sizeof(infer::%[1]s) == sizeof(%[2]s) && alignof(infer::%[1]s) == alignof(%[2]s), "%[1]s: size");`, ours, engines)
		for _, d := range regexp.MustCompile(`(?m)^    (\S.*?);`).FindAllStringSubmatch(s[2], -1) {
			names := regexp.MustCompile(`(\w+)(?:\[\w+\])*(?:, |$)`).FindAllStringSubmatch(d[1], -1)
			if len(names) == 0 {
				t.Fatalf("no field in %q", d[1])
			}
			for _, n := range names {
				add(`static_assert(offsetof(infer::%[1]s, %[3]s) == offsetof(%[2]s, %[3]s) && sizeof(infer::%[1]s::%[3]s) == sizeof(%[2]s::%[3]s), "%[1]s.%[3]s");`, ours, engines, n[1])
				fields++
			}
		}
	}
	if len(theirs) != 0 || fields < 50 {
		t.Errorf("%d fields found, and none of %v", fields, theirs)
	}
	add(`static_assert(infer::sched_max_backends == GGML_SCHED_MAX_BACKENDS && infer::sched_max_inputs == GGML_SCHED_MAX_SPLIT_INPUTS && infer::sched_max_copies == GGML_SCHED_MAX_COPIES, "limits");`)
	add(`static_assert(std::is_same<decltype(&ggml_hash_size), size_t (*)(size_t)>::value, "ggml_hash_size");`)
	add(`static_assert(sizeof(ggml_bitset_t) == sizeof(uint32_t), "ggml_bitset_t");`)
	program := p.String()
	if out, err := compile(program, "-fsyntax-only"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	altered := strings.Replace(program, "int  debug_realloc;", "long debug_realloc;", 1)
	if out, err := compile(altered, "-fsyntax-only"); err == nil || !strings.Contains(out, "scheduler.debug_realloc") {
		t.Errorf("an altered field is not found: %v\n%s", err, out)
	}
}
