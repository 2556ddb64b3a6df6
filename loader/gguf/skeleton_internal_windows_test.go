package gguf

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/windows"
)

func TestAFileThatCantBeSparseSaysSo(t *testing.T) {
	full := windows.ERROR_DISK_FULL
	if err := notExtended(full, `E:\tmp\x.gguf`, 5<<30, true); !errors.Is(err, full) || !strings.Contains(err.Error(), `E:\tmp has no sparse files (as FAT32 and exFAT), and 5.00 GiB of space would be needed: set TMP`) {
		t.Error(err)
	}
	if err := notExtended(full, `E:\tmp\x.gguf`, 5<<30, false); err != full {
		t.Error(err)
	}
}
