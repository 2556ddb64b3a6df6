package probe

import (
	"errors"
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

// pressureWatch receives notifications, and polls memory.pressure (version 2).
type pressureWatch struct {
	file   string      // version 2: memory.pressure
	limits *eventWait  // version 2: reports a group at its limit; nil without
	events []*os.File  // version 1: eventfds that count notifications
	low    int         // version 1: descriptor of the one for a group at its limit
	seen   atomic.Bool // memory was short
	short  chan struct{}
}

func (w *pressureWatch) open() {
	root := os.DirFS("/")
	dir, v2 := ownMemoryGroup(root)
	if dir == "" {
		return
	}
	if v2 {
		w.file = path.Join("/", dir, "memory.pressure")
		w.limits = awaitEvents(eventFiles(root), w.tell)
		return
	}
	w.notify(path.Join("/", dir), "medium", func() { w.seen.Store(true) })
	w.low = w.notify(path.Join("/", dir), "low", w.tell)
}

// eventFiles lists memory.events of the process's control groups of version 2.
func eventFiles(root fs.FS) (files []string) {
	for dirs, v2 := range controlGroups(root, "memory") {
		for _, dir := range dirs {
			if v2 {
				files = append(files, path.Join("/", dir, "memory.events"))
			}
		}
	}
	return files
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

// notify makes the kernel count events of pressure of a level in an eventfd, and calls tell for them.
// The level is low as soon as the group is at its limit and pages are evicted.
func (w *pressureWatch) notify(dir, level string, tell func()) (fd int) {
	file, err := os.Open(path.Join(dir, "memory.pressure_level"))
	if err != nil {
		return -1
	}
	defer file.Close() // the kernel holds a reference
	fd, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return -1
	}
	events := os.NewFile(uintptr(fd), "memory pressure")
	order := fmt.Sprintf("%d %d %s", fd, file.Fd(), level)
	if os.WriteFile(path.Join(dir, "cgroup.event_control"), []byte(order), 0) != nil {
		events.Close()
		return -1
	}
	w.events = append(w.events, events)
	go func() {
		var count [8]byte
		for {
			if _, err := events.Read(count[:]); err != nil {
				return // closed
			}
			tell()
		}
	}()
	return fd
}

func (w *pressureWatch) tell() {
	select {
	case w.short <- struct{}{}:
	default:
	}
}

func (w *pressureWatch) poll() {
	var count [8]byte
	if len(w.events) > 0 && w.low >= 0 {
		if n, _ := unix.Read(w.low, count[:]); n > 0 { // never waits
			w.tell()
		}
	}
	if w.limits.changed(0) {
		w.tell()
	}
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
	w.limits.close()
	var errs []error
	for _, f := range w.events {
		errs = append(errs, f.Close())
	}
	w.limits, w.events = nil, nil
	return errors.Join(errs...)
}
