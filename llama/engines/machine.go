package engines

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
)

// errNoLibrary is the reason for a file that no system loads.
var errNoLibrary = errors.New("it is no library")

// target is what a library was built for.
type target struct{ system, arch string }

func (t target) String() string { return t.system + "/" + t.arch }

// foreign returns why this process cannot load a library: it is none, or of another system or
// processor. It reads a few hundred bytes.
func foreign(path string) (reason string) {
	f, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	made, err := targets(f)
	if err != nil {
		return err.Error()
	}
	here := target{runtime.GOOS, runtime.GOARCH}
	if format(here.system) == "ELF" {
		here.system = "ELF"
	}
	if slices.Contains(made, here) {
		return ""
	}
	if made[0].system == here.system {
		return fmt.Sprintf("it is for %s, and this process is for %s", made[0].arch, here.arch)
	}
	return fmt.Sprintf("it is for %s, and this process is for %s/%s", made[0], runtime.GOOS, here.arch)
}

// format is that of a system's libraries.
func format(system string) string {
	switch system {
	case "windows":
		return "PE"
	case "darwin", "ios":
		return "Mach-O"
	}
	return "ELF"
}

// targets reads what a library was built for: several for a universal one of macOS. The system of
// ELF files is "ELF": they do not say more.
func targets(r io.ReaderAt) ([]target, error) {
	var head [64]byte
	if _, err := r.ReadAt(head[:], 0); err != nil {
		return nil, errNoLibrary // shorter than any
	}
	switch {
	case string(head[:4]) == "\x7fELF":
		return elfTarget(head[:])
	case string(head[:2]) == "MZ":
		return peTarget(r, head[:])
	case binary.LittleEndian.Uint32(head[:]) == 0xfeedfacf:
		return []target{{"darwin", machArch(binary.LittleEndian.Uint32(head[4:]))}}, nil
	case binary.BigEndian.Uint32(head[:]) == 0xcafebabe:
		return universalTargets(r, head[:])
	}
	return nil, errNoLibrary
}

func elfTarget(head []byte) ([]target, error) {
	order, arch := binary.ByteOrder(binary.LittleEndian), "another processor"
	if head[5] == 2 {
		order = binary.BigEndian
	}
	if order.Uint16(head[16:]) != 3 { // ET_DYN
		return nil, errNoLibrary
	}
	names := map[uint16]string{3: "386", 40: "arm", 62: "amd64", 183: "arm64", 243: "riscv64", 258: "loong64", 22: "s390x", 21: "ppc64"}
	if name, ok := names[order.Uint16(head[18:])]; ok {
		arch = name
	}
	if arch == "ppc64" && head[5] == 1 {
		arch = "ppc64le"
	}
	return []target{{"ELF", arch}}, nil
}

func peTarget(r io.ReaderAt, head []byte) ([]target, error) {
	var pe [24]byte
	if _, err := r.ReadAt(pe[:], int64(binary.LittleEndian.Uint32(head[60:]))); err != nil || string(pe[:4]) != "PE\x00\x00" {
		return nil, errNoLibrary
	}
	if binary.LittleEndian.Uint16(pe[22:])&0x2000 == 0 { // a program
		return nil, errNoLibrary
	}
	names := map[uint16]string{0x14c: "386", 0x8664: "amd64", 0xaa64: "arm64"}
	arch, ok := names[binary.LittleEndian.Uint16(pe[4:])]
	if !ok {
		arch = "another processor"
	}
	return []target{{"windows", arch}}, nil
}

func machArch(cpu uint32) string {
	switch cpu {
	case 0x01000007:
		return "amd64"
	case 0x0100000c:
		return "arm64"
	}
	return "another processor"
}

func universalTargets(r io.ReaderAt, head []byte) ([]target, error) {
	n := binary.BigEndian.Uint32(head[4:])
	if n == 0 || n > 16 { // Java's classes begin with the same bytes
		return nil, errNoLibrary
	}
	entries := make([]byte, 20*n)
	if _, err := r.ReadAt(entries, 8); err != nil {
		return nil, errNoLibrary
	}
	var list []target
	for i := range int(n) {
		list = append(list, target{"darwin", machArch(binary.BigEndian.Uint32(entries[20*i:]))})
	}
	return list, nil
}
