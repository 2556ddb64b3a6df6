//go:build cgo

package llama

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"testing"
)

// The kernels compute, bit by bit, what the engine computes for each token alone, with layouts of its own. With the
// file's layout, they compute for many tokens what they compute for each.
func TestKernelsAgreeWithTheEngine(t *testing.T) {
	if Kernels() == "" {
		t.Skip("no kernels for this CPU and engine")
	}
	for _, name := range []string{"q4_0", "q4_K", "q8_0", "mxfp4", "q5_K", "iq4_xs", "q6_K"} {
		typ, err := ParseTensorType(name)
		if err != nil {
			t.Fatal(err)
		}
		layouts := []bool{true} // in the file's
		if name == "q4_0" || name == "q4_K" {
			layouts = []bool{false, true}
		}
		for _, p := range []product{{length: 256, rows: 8}, {length: 512, rows: 16}, {length: 1024, rows: 24}, {length: 256, rows: 264}} {
			p.typ = typ
			for _, p.vectors = range []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 13, 15, 16, 17, 31, 33, 48, 64, 65, 90} {
				for _, p.plain = range layouts {
					if !p.plain && p.vectors == 1 {
						continue // the engine's are used
					}
					if !p.agrees() {
						t.Errorf("%s: %+v", name, p)
					}
				}
			}
			for _, e := range [][2]int{{4, 1}, {8, 2}, {16, 8}} {
				p.experts, p.each = e[0], e[1]
				for _, p.vectors = range []int{1, 2, 7, 140} {
					for _, p.plain = range layouts {
						if !p.plain && p.vectors == 1 {
							continue // the engine's are used
						}
						if !p.agrees() {
							t.Errorf("%s: %+v", name, p)
						}
					}
				}
			}
		}
		many := product{typ: typ, length: 4096, rows: 8, vectors: 3000, plain: layouts[0]} // numbers between two whole ones are rare
		if !many.agrees() {
			t.Errorf("%s: %+v", name, many)
		}
		for n := range infiniteNumbers + 1 {
			for _, plain := range layouts {
				for _, vectors := range []int{7, 45, 75} {
					p := product{typ: typ, length: 4096, rows: 24, vectors: vectors, plain: plain, numbers: n}
					// With Q4_0, the engine and the kernels make different numbers of NaN.
					if !p.agrees() && (name != "q4_0" || n != infiniteNumbers) {
						t.Errorf("%s: %+v", name, p)
					}
				}
			}
		}
	}
}

// Each set of kernels that this CPU has does so, not only the fastest.
func TestEachSetOfKernels(t *testing.T) {
	if os.Getenv("INFER_KERNELS") != "" {
		t.Skip("a process of this test")
	}
	if Kernels() == "" {
		t.Skip("no kernels for this CPU and engine")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for set, lacks := range map[string]bool{
		"engine": false, "avx2": false,
		"avx_vnni":    !slices.Contains(AvailableFeatures(), "avx_vnni"),
		"avx512_vnni": !slices.Contains(AvailableFeatures(), "avx512_vnni"),
	} {
		t.Run(set, func(t *testing.T) {
			if lacks {
				t.Skipf("this CPU has no %s", set)
			}
			if set == "avx_vnni" {
				t.Setenv("INFER_KERNELS", set)
				err := chooseKernels()
				os.Unsetenv("INFER_KERNELS")
				if chooseKernels(); err != nil {
					t.Skip("the compiler does not know AVX-VNNI:", err)
				}
			}
			cmd := exec.Command(self, "-test.run", "^TestKernelsAgreeWithTheEngine$", "-test.v")
			cmd.Env = append(os.Environ(), "INFER_KERNELS="+set)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

func TestUnknownKernels(t *testing.T) {
	t.Setenv("INFER_KERNELS", "fast")
	if err := chooseKernels(); err == nil || fmt.Sprint(err) == "" {
		t.Error(err)
	}
	t.Setenv("INFER_KERNELS", "")
	if err := chooseKernels(); err != nil {
		t.Error(err)
	}
}
