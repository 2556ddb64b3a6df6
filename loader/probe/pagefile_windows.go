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
	_                uintptr // peak use
}

// pageFiles collects what the callback of EnumPageFiles is called with.
var pageFiles struct {
	mu   sync.Mutex
	list []PageFile
}

// pageFileCallback is made once: Go limits the number of callbacks and never frees them.
var pageFileCallback = sync.OnceValue(func() uintptr {
	return windows.NewCallback(func(_ uintptr, info *pageFileInformation, name *uint16) uintptr {
		pageFiles.list = append(pageFiles.list, PageFile{
			Path: strings.TrimPrefix(windows.UTF16PtrToString(name), `\??\`),
			Size: uint64(info.totalSize) * space.WindowsPage, Used: uint64(info.inUse) * space.WindowsPage,
		})
		return 1 // go on
	})
})

// readPageFiles returns the page files and how large they can become; none if the system has none or
// does not report them.
func readPageFiles(ram uint64) []PageFile {
	pageFiles.mu.Lock()
	pageFiles.list = nil
	_, _, _ = procEnumPageFiles.Call(pageFileCallback(), 0)
	files := pageFiles.list
	pageFiles.mu.Unlock()
	if len(files) == 0 {
		return nil
	}
	settings := readPageFileSettings()
	for i := range files {
		f := &files[i]
		var size, free uint64
		if dir, err := windows.UTF16PtrFromString(filepath.VolumeName(f.Path) + `\`); err == nil {
			_ = windows.GetDiskFreeSpaceEx(dir, nil, &size, &free) // 0: free space unknown
		}
		f.grows(settings, ram, size, free)
	}
	return files
}

// pageFileSetting is a line of the registry's PagingFiles: a path and sizes in MiB, which are 0 or
// missing if the system manages them. In ?:\pagefile.sys the system chooses the disk too.
type pageFileSetting struct {
	path string
	most uint64 // bytes; 0: the system decides
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
		// The path may contain spaces.
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

// grows sets the size that a page file can reach. According to "How to determine the appropriate page
// file size for 64-bit versions of Windows", a file that the system manages grows to three times
// the RAM or 4 GiB, whichever is more, but at most to an eighth of its volume; no file
// grows beyond the free space of its volume.
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

// isOf reports whether a setting belongs to the page file at a path.
func (s pageFileSetting) isOf(path string) bool {
	if strings.HasPrefix(s.path, "?:") && len(path) > 0 {
		return strings.EqualFold(s.path[1:], path[1:])
	}
	return strings.EqualFold(s.path, path)
}
