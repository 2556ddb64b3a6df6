package memtest

import "testing"

func TestAnnotate(t *testing.T) {
	const page, arena, at = 4096, 64 << 20, 1 << 40
	anon := func(addr, result, length uint64, prot, flags int) Call {
		return Call{Name: "mmap", Addr: addr, Result: result, Length: length, Prot: prot, Flags: mapPrivate | mapAnonymous | flags}
	}
	brk := func(result uint64) Call { return Call{Name: "brk", Result: result} }
	protect := func(addr, length uint64, prot int) Call {
		return Call{Name: "mprotect", Addr: addr, Length: length, Prot: prot}
	}
	for _, c := range []struct {
		name              string
		calls             []Call // the last one is looked at
		granted, reserved uint64
		owner             string
	}{
		{"a mapping grants and reserves its length", []Call{anon(0, at, page, 3, 0)}, page, page, ""},
		{"a reservation grants nothing", []Call{anon(0, at, page, 0, 0)}, 0, page, ""},
		{"mapping at a fixed place takes no new addresses", []Call{anon(0, at, 4*page, 0, 0), anon(at, at, page, 3, mapFixed)}, page, 0, ""},
		{"mapping at a fixed free place does", []Call{anon(at, at, page, 3, mapFixedNoReplace)}, page, page, ""},
		{"opening half of what is open already grants the other half", []Call{anon(0, at, 2*page, 0, 0), protect(at, page, 3), protect(at, 2*page, 3)}, page, 0, ""},
		{"closed and opened again grants again", []Call{anon(0, at, page, 3, 0), protect(at, page, 0), protect(at, page, 3)}, page, 0, ""},
		{"unmapped is forgotten", []Call{anon(0, at, page, 3, 0), {Name: "munmap", Addr: at, Length: page}, protect(at, page, 3)}, page, 0, ""},
		{"the first break only tells where it is", []Call{brk(at)}, 0, 0, ""},
		{"a break that moves grants", []Call{brk(at), brk(at + page)}, page, page, ""},
		{"a break that moves down does not", []Call{brk(at + page), brk(at)}, 0, 0, ""},
		{"a program begun anew knows no break", []Call{brk(at), {Name: "exec"}, brk(at + page)}, 0, 0, ""},
		{"what another process did does not matter", []Call{{Name: "brk", Pid: 1, Result: at}, brk(at + page)}, 0, 0, ""},
		{"an arena of the Go heap", []Call{anon(at, at, arena, 0, 0)}, 0, arena, "go"},
		{"a commit in it", []Call{anon(at, at, arena, 0, 0), anon(at, at, page, 3, mapFixed)}, page, 0, "go"},
		{"a hint that was not followed is no arena", []Call{anon(at, 2*at, arena, 0, 0)}, 0, arena, ""},
		{"addresses that were the heap's are free after unmapping", []Call{anon(at, at, arena, 0, 0), {Name: "munmap", Addr: at, Length: arena}, anon(0, at, page, 3, 0)}, page, page, ""},
		{"the stack of a thread, opened above its guard page", []Call{anon(0, at, 3*page, 0, mapStack), protect(at+page, 2*page, 3)}, 2 * page, 0, "stack"},
		{"what takes a stack's place is none", []Call{anon(0, at, page, 0, mapStack), anon(0, at, page, 3, 0)}, page, page, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			annotate(c.calls)
			got := c.calls[len(c.calls)-1]
			if got.Granted != c.granted || got.Reserved != c.reserved || got.Owner != c.owner {
				t.Errorf("granted %d, reserved %d, owner %q; want %d, %d, %q", got.Granted, got.Reserved, got.Owner, c.granted, c.reserved, c.owner)
			}
		})
	}
}
