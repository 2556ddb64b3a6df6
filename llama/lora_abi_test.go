//go:build cgo

package llama_test

import "testing"

// What builtin.hpp knows of the inside of the engine.
func TestTheGraphIsNextToTheOneOfReservations(t *testing.T) {
	compile := compiler(t)
	const program = `
#include <cstddef>
#include <type_traits>
#include "llama-context.h"
static_assert(offsetof(llama_context, gf_res_reserve) == offsetof(llama_context, gf_res_prev) + sizeof(void *), "not neighbours");
static_assert(offsetof(llama_context, gf_res_prev) % sizeof(void *) == 0, "not aligned");
static_assert(sizeof(llama_context::gf_res_prev) == sizeof(void *) && sizeof(llama_context::gf_res_reserve) == sizeof(void *), "not pointers");
static_assert(std::is_same<decltype(&llama_context::get_gf_res_reserve), llm_graph_result * (llama_context::*)() const>::value, "another type");
static_assert(std::is_same<decltype(&llm_graph_result::reset), void (llm_graph_result::*)()>::value, "another type");
`
	if out, err := compile(program, "-fsyntax-only", "-fno-access-control", "-Wno-invalid-offsetof"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if _, err := compile(program+"\nstatic_assert(offsetof(llama_context, gf_res_reserve) == offsetof(llama_context, sched) + sizeof(void *));", "-fsyntax-only", "-fno-access-control"); err == nil {
		t.Error("a false assertion is not noticed")
	}
}
