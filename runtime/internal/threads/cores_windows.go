package threads

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/windows"
)

var getLogicalProcessorInformationEx = windows.NewLazySystemDLL("kernel32.dll").NewProc("GetLogicalProcessorInformationEx")

func countCores() int {
	const relationProcessorCore = 0
	var size uint32
	if getLogicalProcessorInformationEx.Find() != nil {
		return 0
	}
	_, _, err := getLogicalProcessorInformationEx.Call(relationProcessorCore, 0, uintptr(unsafe.Pointer(&size)))
	if err != windows.ERROR_INSUFFICIENT_BUFFER || size == 0 {
		return 0
	}
	b := make([]byte, size)
	if ok, _, _ := getLogicalProcessorInformationEx.Call(relationProcessorCore, uintptr(unsafe.Pointer(&b[0])), uintptr(unsafe.Pointer(&size))); ok == 0 {
		return 0
	}
	return coresOf(b[:size])
}

// coresOf counts the cores of the highest efficiency class in a list of
// SYSTEM_LOGICAL_PROCESSOR_INFORMATION_EX: four bytes of relationship, four of size, then the
// core's flags and its efficiency class, a byte each.
func coresOf(b []byte) int {
	var classes [256]int
	for len(b) >= 10 {
		size := binary.LittleEndian.Uint32(b[4:])
		classes[b[9]]++
		if size < 10 || uint64(size) > uint64(len(b)) {
			break
		}
		b = b[size:]
	}
	for class := len(classes) - 1; class >= 0; class-- {
		if classes[class] > 0 {
			return classes[class]
		}
	}
	return 0
}
