package main

import (
	"fmt"
	"os"
	"syscall"
	"testing"
	"unsafe"

	"github.com/seed7adf6694/infer/cmd/infer/internal/terminal"
	"golang.org/x/sys/windows"
)

var (
	kernel32                       = windows.NewLazySystemDLL("kernel32.dll")
	procAllocConsole               = kernel32.NewProc("AllocConsole")
	procReadConsoleOutputCharacter = kernel32.NewProc("ReadConsoleOutputCharacterW")
)

// openConsole opens the console of this process, or makes one.
func openConsole(t *testing.T) *os.File {
	t.Helper()
	for range 2 {
		if out, err := os.OpenFile("CONOUT$", os.O_RDWR, 0); err == nil {
			if terminal.Is(out) {
				return out
			}
			out.Close()
		}
		procAllocConsole.Call()
	}
	t.Skip("no console can be had: wine makes one on a terminal or a display only")
	return nil
}

// A console shows text as it is, whatever its code page, and is told to understand the codes of
// the bar: wine 8 shows those too.
func TestAConsole(t *testing.T) {
	out := openConsole(t)
	defer out.Close()
	if columns, rows := terminal.Size(out); columns <= 0 || rows <= 0 {
		t.Errorf("%d by %d", columns, rows)
	}
	var mode uint32
	for what, prepares := range map[string]func() bool{
		"a bar": func() bool { return terminal.Codes(out) }, "a chat": func() bool { return coloured(out) },
	} {
		if err := windows.SetConsoleMode(windows.Handle(out.Fd()), windows.ENABLE_PROCESSED_OUTPUT|windows.ENABLE_WRAP_AT_EOL_OUTPUT); err != nil {
			t.Fatal(err)
		}
		if !prepares() {
			t.Errorf("%s: it takes no escape sequences", what)
		}
		if err := windows.GetConsoleMode(windows.Handle(out.Fd()), &mode); err != nil || mode&windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING == 0 {
			t.Errorf("%s: mode %#x, %v", what, mode, err)
		}
	}
	const text = "Größe"
	if _, err := fmt.Fprint(out, "\r"+text); err != nil {
		t.Fatal(err)
	}
	var info windows.ConsoleScreenBufferInfo
	if err := windows.GetConsoleScreenBufferInfo(windows.Handle(out.Fd()), &info); err != nil {
		t.Fatal(err)
	}
	line := make([]uint16, 5)
	var n uint32
	at := uintptr(uint16(info.CursorPosition.Y)) << 16
	procReadConsoleOutputCharacter.Call(out.Fd(), uintptr(unsafe.Pointer(&line[0])), uintptr(len(line)), at, uintptr(unsafe.Pointer(&n)))
	if got := syscall.UTF16ToString(line[:n]); got != text {
		t.Errorf("the console shows %q at %v", got, info.CursorPosition)
	}
}
