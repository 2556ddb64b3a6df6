package probe

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// pressureWatch polls memory.pressure (version 2) or receives notifications (version 1).
type pressureWatch struct {
	file   string   // memory.pressure
	events *os.File // nil without notifications
	seen   atomic.Bool
}

func (w *pressureWatch) open() {
	root := os.DirFS("/")
	dir, v2 := ownMemoryGroup(root)
	if dir == "" {
		return
	}
	if v2 {
		w.file = path.Join("/", dir, "memory.pressure")
		return
	}
	w.notify(path.Join("/", dir))
}

// ownMemoryGroup returns the folder of the control group that accounts for this process's memory.
func ownMemoryGroup(root fs.FS) (dir string, v2 bool) {
	for dirs, v2 := range controlGroups(root, "memory") {
		used := "memory.usage_in_bytes"
		if v2 {
			used = "memory.current"
		}
		if number(root, path.Join(dirs[0], used)) != Unlimited {
			return dirs[0], v2
		}
	}
	return "", false
}

// notify makes the kernel count events of medium pressure in an eventfd.
func (w *pressureWatch) notify(dir string) {
	level, err := os.Open(path.Join(dir, "memory.pressure_level"))
	if err != nil {
		return
	}
	defer level.Close() // the kernel holds a reference
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return
	}
	events := os.NewFile(uintptr(fd), "memory pressure")
	order := fmt.Sprintf("%d %d medium", fd, level.Fd())
	if os.WriteFile(path.Join(dir, "cgroup.event_control"), []byte(order), 0) != nil {
		events.Close()
		return
	}
	w.events = events
	go func() {
		var count [8]byte
		for {
			if _, err := events.Read(count[:]); err != nil {
				return // closed
			}
			w.seen.Store(true)
		}
	}()
}

func (w *pressureWatch) told() bool { return w.seen.Swap(false) }

// waited returns the total time for which some task of the group stalled for memory.
func (w *pressureWatch) waited() (time.Duration, bool) {
	if w.file == "" {
		return 0, false
	}
	text, err := os.ReadFile(w.file)
	if err != nil {
		return 0, false
	}
	return stallOf(string(text))
}

// stallOf parses "some avg10=0.00 avg60=0.00 avg300=0.00 total=123", in microseconds.
func stallOf(text string) (time.Duration, bool) {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, "some "); ok {
			if _, total, ok := strings.Cut(strings.TrimSpace(rest), "total="); ok {
				n, err := strconv.ParseInt(total, 10, 64)
				return time.Duration(n) * time.Microsecond, err == nil
			}
		}
	}
	return 0, false
}

func (w *pressureWatch) close() error {
	if w.events == nil {
		return nil
	}
	events := w.events
	w.events = nil
	return events.Close()
}
