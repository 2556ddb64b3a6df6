package engines

import (
	"slices"
	"strings"
	"testing"
)

func TestNamesOfLibraries(t *testing.T) {
	for _, tt := range []struct {
		system, file, library, tag string
		number                     []int
	}{
		{"linux", "libllama.so", "llama", "", nil},
		{"linux", "libllama.so.0", "llama", "", []int{0}},
		{"linux", "libggml-base.so.0.9.4", "ggml-base", "", []int{0, 9, 4}},
		{"linux", "libllama.v0.5.0.so", "llama", "v0.5.0", nil},
		{"linux", "libllama.vulkan.v0.5.0.so", "llama", "vulkan.v0.5.0", nil},
		{"linux", "libggml-cpu-sandybridge.so", "ggml-cpu-sandybridge", "", nil},
		{"darwin", "libllama.dylib", "llama", "", nil},
		{"darwin", "libllama.0.0.7.dylib", "llama", "", []int{0, 0, 7}},
		{"darwin", "libggml.metal.v0.4.0.dylib", "ggml", "metal.v0.4.0", nil},
		{"darwin", "libggml-metal.so", "ggml-metal", "", nil},
		{"windows", "llama.dll", "llama", "", nil},
		{"windows", "LLAMA.DLL", "llama", "", nil},
		{"windows", "libllama.dll", "llama", "", nil},
		{"windows", "ggml.v0.4.0.dll", "ggml", "v0.4.0", nil},
	} {
		n, ok := parseName(tt.file, tt.system)
		if !ok || n.library != tt.library || n.tag != tt.tag || !slices.Equal(n.number, tt.number) {
			t.Errorf("%s on %s: %+v, %v", tt.file, tt.system, n, ok)
		}
	}
	for _, tt := range [][2]string{
		{"linux", "llama.so"}, {"linux", "libllama.dll"}, {"linux", "libllama.so.old"}, {"linux", "lib.so"}, {"linux", "libllama.a"}, {"linux", ""}, {"linux", "libllama.so."},
		{"linux", "libllama.so.99999999999999999999"}, {"windows", "llama.lib"}, {"windows", "libllama.so"}, {"windows", ".dll"}, {"darwin", "llama.dylib"}, {"darwin", "libllama.so.0"},
	} {
		if n, ok := parseName(tt[1], tt[0]); ok {
			t.Errorf("%q on %s is taken for %+v", tt[1], tt[0], n)
		}
	}
}

func TestTheEngineOfAFolder(t *testing.T) {
	for _, tt := range []struct {
		name, system, files string
		want                string // libraries of each engine, the best first; or what is missing
	}{
		{"npm's for CPUs", "linux", "libggml-base.so libggml-cpu-zen4.so libggml.v0.5.0.so libllama-common.so libllama.v0.5.0.so", "libllama.v0.5.0.so libggml.v0.5.0.so libggml-base.so"},
		{"npm's with Vulkan", "linux", "libggml-base.so libggml-vulkan.so libggml.vulkan.v0.5.0.so libllama.vulkan.v0.5.0.so", "libllama.vulkan.v0.5.0.so libggml.vulkan.v0.5.0.so libggml-base.so"},
		{"npm's for Windows", "windows", "ggml-base.dll ggml.v0.4.0.dll llama.v0.4.0.dll llama-common.dll", "llama.v0.4.0.dll ggml.v0.4.0.dll ggml-base.dll"},
		{"npm's for macOS", "darwin", "libggml-base.dylib libggml.metal.v0.4.0.dylib libllama.metal.v0.4.0.dylib libggml-blas.so", "libllama.metal.v0.4.0.dylib libggml.metal.v0.4.0.dylib libggml-base.dylib"},
		{"a release of llama.cpp", "linux", "libllama.so libllama.so.0 libllama.so.0.0.7 libggml.so libggml.so.0 libggml-base.so libggml-base.so.0", "libllama.so libggml.so libggml-base.so"},
		{"a distribution without files for compilers", "linux", "libllama.so.0 libllama.so.0.0.7 libggml.so.0 libggml.so.0.9.4 libggml-base.so.0", "libllama.so.0.0.7 libggml.so.0.9.4 libggml-base.so.0"},
		{"the higher number of two", "linux", "libllama.so.9 libllama.so.10 libggml.so.0 libggml-base.so.0", "libllama.so.10 libggml.so.0 libggml-base.so.0"},
		{"Homebrew's", "darwin", "libllama.dylib libllama.0.0.7.dylib libggml.dylib libggml-base.dylib", "libllama.dylib libggml.dylib libggml-base.dylib"},
		{"several variants and versions", "linux",
			"libggml-base.so libllama.vulkan.v0.5.0.so libggml.vulkan.v0.5.0.so libllama.v0.5.0.so libggml.v0.5.0.so libllama.cuda.v0.10.0.so libggml.cuda.v0.10.0.so libllama.so libggml.so",
			"libllama.cuda.v0.10.0.so libggml.cuda.v0.10.0.so libggml-base.so, libllama.v0.5.0.so libggml.v0.5.0.so libggml-base.so, libllama.vulkan.v0.5.0.so libggml.vulkan.v0.5.0.so libggml-base.so, libllama.so libggml.so libggml-base.so"},
		{"its own ggml-base before one for all", "linux", "libllama.v1.so libggml.v1.so libggml-base.v1.so libggml-base.so", "libllama.v1.so libggml.v1.so libggml-base.v1.so"},
		{"nothing", "linux", "", "missing llama,ggml,ggml-base"},
		{"no ggml", "linux", "libllama.so libggml-base.so", "missing ggml"},
		{"no ggml-base", "linux", "libllama.so libggml.so", "missing ggml-base"},
		{"ggml of another build", "linux", "libllama.v0.5.0.so libggml.v0.4.0.so libggml-base.so", "missing ggml"},
		{"npm's extension for CUDA", "linux", "libggml-cuda.so", "missing llama,ggml,ggml-base"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var names []libraryName
			for _, file := range strings.Fields(tt.files) {
				n, ok := parseName(file, tt.system)
				if !ok || !n.ofEngine() {
					t.Fatalf("%q is no library", file)
				}
				names = append(names, n)
			}
			for range 10 { // in no order
				slices.Reverse(names)
				engines, lacking := choose(names)
				var list []string
				for _, e := range engines {
					list = append(list, e.Llama+" "+e.Ggml+" "+e.Base)
				}
				got := strings.Join(list, ", ")
				if engines == nil {
					got = "missing " + strings.Join(lacking, ",")
				}
				if got != tt.want {
					t.Fatalf("got  %s\nwant %s", got, tt.want)
				}
			}
		})
	}
}

func TestVariantAndVersion(t *testing.T) {
	for tag, want := range map[string][2]string{"": {"", ""}, "v0.5.0": {"", "v0.5.0"}, "vulkan.v0.5.0": {"vulkan", "v0.5.0"}, "vulkan": {"vulkan", ""}} {
		if variant, version := cutTag(tag); variant != want[0] || version != want[1] {
			t.Errorf("%s: %q and %q", tag, variant, version)
		}
	}
}

func TestWhatALibraryIsFor(t *testing.T) {
	elf := func(class, order byte, machine string) string {
		return "\x7fELF" + string([]byte{class, order}) + strings.Repeat("\x00", 10) + machine + strings.Repeat("\x00", 64)
	}
	pe := "MZ" + strings.Repeat("\x00", 58) + "\x40\x00\x00\x00" + "PE\x00\x00\x64\x86" + strings.Repeat("\x00", 16)
	for _, tt := range []struct{ name, text, want string }{
		{"Linux on amd64", elf(2, 1, "\x03\x00\x3e\x00"), "ELF/amd64"},
		{"Linux on arm64", elf(2, 1, "\x03\x00\xb7\x00"), "ELF/arm64"},
		{"big-endian", elf(2, 2, "\x00\x03\x00\x16"), "ELF/s390x"},
		{"a processor without a name", elf(2, 1, "\x03\x00\xff\xff"), "ELF/another processor"},
		{"a program", elf(2, 1, "\x02\x00\x3e\x00"), ""},
		{"Windows on amd64", pe + "\x00\x20", "windows/amd64"},
		{"a program of Windows", pe + "\x02\x00", ""},
		{"a header past the end", "MZ" + strings.Repeat("\x00", 58) + "\xff\xff\xff\xff", ""},
		{"macOS on arm64", "\xcf\xfa\xed\xfe\x0c\x00\x00\x01" + strings.Repeat("\x00", 56), "darwin/arm64"},
		{"universal", "\xca\xfe\xba\xbe\x00\x00\x00\x02\x01\x00\x00\x07" + strings.Repeat("\x00", 16) + "\x01\x00\x00\x0c" + strings.Repeat("\x00", 64), "darwin/amd64 darwin/arm64"},
		{"universal for more than there are", "\xca\xfe\xba\xbe\xff\xff\xff\xff" + strings.Repeat("\x00", 64), ""},
		{"text", strings.Repeat("INPUT(libllama.so.0) ", 4), ""},
		{"short", "\x7fELF", ""},
		{"empty", "", ""},
	} {
		made, err := targets(strings.NewReader(tt.text))
		var list []string
		for _, m := range made {
			list = append(list, m.String())
		}
		if got := strings.Join(list, " "); got != tt.want || (err != nil) != (tt.want == "") {
			t.Errorf("%s: %q, %v", tt.name, got, err)
		}
	}
}
