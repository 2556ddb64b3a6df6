package probe

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"unsafe"

	"golang.org/x/sys/windows"
)

// CommittedByPrograms lists what the programs of the system have committed, by file name, most first;
// "kernel" is the kernel's pools. Shared memory in page files is not attributed to anyone. It
// takes some milliseconds.
func CommittedByPrograms() ([]Committed, error) {
	byName := map[string]*Committed{}
	err := eachProcess(func(p *windows.SYSTEM_PROCESS_INFORMATION) {
		name := p.ImageName.String()
		bytes := committedBy(p)
		if name == "" || bytes == 0 { // the idle process, or unknown
			return
		}
		c := byName[name]
		if c == nil {
			c = &Committed{Program: name}
			byName[name] = c
		}
		c.Processes++
		c.Bytes += bytes
	})
	if err != nil {
		return nil, err
	}
	var list []Committed
	for _, c := range byName {
		list = append(list, *c)
	}
	if info, err := readPerformance(); err == nil && info.kernelTotal > 0 {
		list = append(list, Committed{Program: "kernel", Bytes: uint64(info.kernelTotal) * uint64(info.pageSize)})
	}
	slices.SortFunc(list, func(a, b Committed) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Program, b.Program))
	})
	return list, nil
}

// committedBy is what a process has committed. A system fills at least one of the fields.
func committedBy(p *windows.SYSTEM_PROCESS_INFORMATION) uint64 {
	return uint64(max(p.PrivatePageCount, p.PagefileUsage))
}

// eachProcess calls f for each process of the system. Its argument is valid during the call only.
func eachProcess(f func(p *windows.SYSTEM_PROCESS_INFORMATION)) error {
	for size := 256 << 10; size <= 64<<20; size *= 2 {
		b := make([]uint64, size/8) // aligned
		err := windows.NtQuerySystemInformation(windows.SystemProcessInformation, unsafe.Pointer(&b[0]), uint32(size), nil)
		if errors.Is(err, windows.STATUS_INFO_LENGTH_MISMATCH) {
			continue
		}
		if err != nil {
			return fmt.Errorf("listing processes: %w", err)
		}
		for at := uintptr(0); at+unsafe.Sizeof(windows.SYSTEM_PROCESS_INFORMATION{}) <= uintptr(size); {
			p := (*windows.SYSTEM_PROCESS_INFORMATION)(unsafe.Add(unsafe.Pointer(&b[0]), at))
			f(p)
			if p.NextEntryOffset == 0 {
				return nil
			}
			at += uintptr(p.NextEntryOffset)
		}
		return nil
	}
	return errors.New("listing processes: the list exceeds 64 MiB")
}
