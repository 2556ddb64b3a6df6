package probe

import (
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/seed7adf6694/infer/internal/kernel32"
	"github.com/seed7adf6694/infer/loader/internal/space"
	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"
)

var procEnumPageFiles = kernel32.DLL.NewProc("K32EnumPageFilesW")

// pageFileInformation is ENUM_PAGE_FILE_INFORMATION, in pages.
type pageFileInformation struct {
	_, _             uint32 // its own size; reserved
	totalSize, inUse uintptr
	_                uintptr // the most that was in use
}

// pageFiles is what the callback of EnumPageFiles fills.
var pageFiles struct {
	mu   sync.Mutex
	list []PageFile
}

// pageFileCallback is made once: Go makes few callbacks, and gives none back.
var pageFileCallback = sync.OnceValue(func() uintptr {
	return windows.NewCallback(func(_ uintptr, info *pageFileInformation, name *uint16) uintptr {
		pageFiles.list = append(pageFiles.list, PageFile{
			Path: strings.TrimPrefix(windows.UTF16PtrToString(name), `\??\`),
			Size: uint64(info.totalSize) * space.WindowsPage, Used: uint64(info.inUse) * space.WindowsPage,
		})
		return 1 // go on
	})
})

// readPageFiles lists the page files and how large they can become. A system without
// any has none; neither has one that does not tell.
func readPageFiles(ram uint64) []PageFile {
	pageFiles.mu.Lock()
	pageFiles.list = nil
	_, _, _ = procEnumPageFiles.Call(pageFileCallback(), 0)
	files := pageFiles.list
	pageFiles.mu.Unlock()
	settings := readPageFileSettings()
	for i := range files {
		f := &files[i]
		var size, free uint64
		if dir, err := windows.UTF16PtrFromString(filepath.VolumeName(f.Path) + `\`); err == nil {
			_ = windows.GetDiskFreeSpaceEx(dir, nil, &size, &free) // 0: nothing is known to be free
		}
		f.grows(settings, ram, size, free)
	}
	return files
}

// pageFileSetting is a line of the registry's PagingFiles: a path, and sizes in MiB; both 0,
// or missing, where the system manages them. In ?:\pagefile.sys it chooses the disk too.
type pageFileSetting struct {
	path string
	most uint64 // bytes; 0: the system's choice
}

func readPageFileSettings() []pageFileSetting {
	k, err := registry.OpenKey(registry.LOCAL_MACHINE, `SYSTEM\CurrentControlSet\Control\Session Manager\Memory Management`, registry.QUERY_VALUE)
	if err != nil {
		return nil
	}
	defer k.Close()
	lines, _, err := k.GetStringsValue("PagingFiles")
	if err != nil {
		return nil
	}
	return parsePageFileSettings(lines)
}

func parsePageFileSettings(lines []string) (list []pageFileSetting) {
	for _, line := range lines {
		// The path may have spaces.
		path, sizes := strings.TrimSpace(line), [2]uint64{}
		for i := len(sizes) - 1; i >= 0; i-- {
			at := strings.LastIndexByte(path, ' ')
			if at < 0 {
				break
			}
			n, err := strconv.ParseUint(path[at+1:], 10, 32)
			if err != nil {
				break
			}
			path, sizes[i] = strings.TrimRight(path[:at], " "), n<<20
		}
		if path != "" {
			list = append(list, pageFileSetting{path, max(sizes[0], sizes[1])})
		}
	}
	return list
}

// grows sets what a page file can become. By "How to determine the appropriate page file
// size for 64-bit versions of Windows" one that the system manages grows to three times
// the RAM or 4 GiB, whichever is more, but no more than an eighth of its volume; no file
// grows beyond what its volume has free.
func (f *PageFile) grows(settings []pageFileSetting, ram, volume, free uint64) {
	f.Most = f.Size
	for _, s := range settings {
		if !s.isOf(f.Path) {
			continue
		}
		most := s.most
		if most == 0 {
			f.Managed = true
			most = min(max(3*ram, 4<<30), volume/8)
		}
		f.Most = max(f.Size, min(most, f.Size+free))
		return
	}
}

// isOf tells whether a setting is of the page file at a path.
func (s pageFileSetting) isOf(path string) bool {
	if strings.HasPrefix(s.path, "?:") && len(path) > 0 {
		return strings.EqualFold(s.path[1:], path[1:])
	}
	return strings.EqualFold(s.path, path)
}
