package engines

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/seed7adf6694/infer/internal/files"
)

// Errors of the user's folder.
var (
	// ErrExists is wrapped if the folder has an engine of that name already.
	ErrExists = errors.New("an engine of this name is there")

	// ErrNotFound is wrapped if the user's folder has no engine of that name.
	ErrNotFound = errors.New("no engine of this name")
)

// unfinished is part of the names of folders that are not complete yet, or no longer.
const unfinished = ".infer-partial-"

// store is a folder of engines while one process changes it.
type store struct {
	dir  string
	lock *os.File
}

// lockPeriod is the time between two attempts to lock the folder.
const lockPeriod = 100 * time.Millisecond

// openUserStore opens the user's folder.
func openUserStore(ctx context.Context) (*store, error) {
	dir, err := UserDir()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := distrust(dir); err != nil {
		return nil, err
	}
	return openStore(ctx, dir)
}

// openStore makes a folder of engines if necessary and locks it; it waits, until ctx ends, while another
// process changes it. What killed processes have left there is removed.
func openStore(ctx context.Context, dir string) (*store, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err := files.Lock(f)
		if err == nil || errors.Is(err, errors.ErrUnsupported) {
			break
		}
		if !errors.Is(err, files.ErrLocked) {
			return nil, errors.Join(err, f.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), f.Close())
		case <-time.After(lockPeriod):
		}
	}
	s := &store{dir, f}
	s.removeUnfinished()
	return s, nil
}

// close releases the lock.
func (s *store) close() { s.lock.Close() }

// removeUnfinished removes what killed processes have left. What can't be removed yet stays.
func (s *store) removeUnfinished() {
	entries, _ := os.ReadDir(s.dir)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") && strings.Contains(e.Name(), unfinished) {
			_ = os.RemoveAll(filepath.Join(s.dir, e.Name()))
		}
	}
}

// path is that of an engine.
func (s *store) path(name string) string { return filepath.Join(s.dir, name) }

// hidden returns a name for a folder that is not complete.
func (s *store) hidden(name string) string {
	return filepath.Join(s.dir, fmt.Sprintf(".%s%s%016x", name, unfinished, rand.Uint64()))
}

// has reports whether there is an engine of that name.
func (s *store) has(name string) bool {
	_, err := os.Lstat(s.path(name))
	return err == nil
}

// publish gives a complete folder the name of an engine. One that has it is put aside before, and back
// if that fails.
func (s *store) publish(from, name string) error {
	if !s.has(name) {
		return files.RenameFolder(from, s.path(name))
	}
	old := s.hidden(name)
	if err := files.RenameFolder(s.path(name), old); err != nil {
		return err
	}
	if err := files.RenameFolder(from, s.path(name)); err != nil {
		return errors.Join(err, files.RenameFolder(old, s.path(name)))
	}
	_ = os.RemoveAll(old) // what is in use is removed later
	return nil
}

// Remove removes an engine from the user's folder. Processes that use it keep it, except on Windows:
// there it stays, and the error wraps [ErrInUse]. The error for a name that is not there wraps
// [ErrNotFound].
func Remove(ctx context.Context, name string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	s, err := openUserStore(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	old := s.hidden(name)
	if !s.has(name) {
		return &fs.PathError{Op: "remove", Path: s.path(name), Err: ErrNotFound}
	}
	if err := files.RenameFolder(s.path(name), old); err != nil {
		return err
	}
	// It has no name now: what can't be removed is removed by a later call.
	_ = os.RemoveAll(old)
	return nil
}
