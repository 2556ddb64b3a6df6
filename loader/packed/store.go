package packed

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/seed7adf6694/infer/internal/files"
)

// Store is a folder of packed files, shared by all processes of a user. A file appears in it complete
// or not at all. It can be removed at any time; processes that have mapped it keep it. Windows does
// not remove a mapped file: its space is freed when the store is written to, or cleared, later.
// It is safe for concurrent use.
type Store struct{ dir string }

// NewStore returns the store in a folder, which need not exist yet.
func NewStore(dir string) *Store { return &Store{dir} }

// ErrStoreBusy is returned by [Store.Lock] while the store is locked, by this or another process.
var ErrStoreBusy = errors.New("another process is packing a model")

// StoredFile is a file of a store.
type StoredFile struct {
	Path string
	Size uint64    // bytes
	Used time.Time // last use
}

const (
	storedSuffix = ".packed.gguf"
	usedSuffix   = ".used" // suffix of a marker file, whose modification time is the last use
	lockName     = "lock"
)

// Dir returns the store's folder.
func (s *Store) Dir() string { return s.dir }

// Path returns the path of a file with this name, which need not exist.
func (s *Store) Path(name string) string { return filepath.Join(s.dir, name+storedSuffix) }

// Files lists the files, the least recently used first; none if there is no folder.
func (s *Store) Files() ([]StoredFile, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var files []StoredFile
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || !strings.HasSuffix(e.Name(), storedSuffix) {
			continue // removed meanwhile, or not ours
		}
		f := StoredFile{filepath.Join(s.dir, e.Name()), uint64(info.Size()), info.ModTime()}
		if mark, err := os.Stat(f.Path + usedSuffix); err == nil && mark.ModTime().After(f.Used) {
			f.Used = mark.ModTime()
		}
		files = append(files, f)
	}
	slices.SortStableFunc(files, func(a, b StoredFile) int { return a.Used.Compare(b.Used) })
	return files, nil
}

// MarkUsed records that a file was used now. It does nothing if the store is read-only.
func (s *Store) MarkUsed(path string) {
	if f, err := os.OpenFile(path+usedSuffix, os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
		f.Close()
		now := time.Now()
		_ = os.Chtimes(path+usedSuffix, now, now)
	}
}

// Remove removes a file; a missing file is no error. If Windows refuses because it is mapped, the
// file is renamed, so that it is no longer in the store, and a later [Store.Lock] or
// [files.RemoveAbandoned] removes it; the error then wraps [files.ErrFileInUse], as its
// space is not free yet. If another program prevents renaming, the file stays and the error is
// the same.
func (s *Store) Remove(path string) error {
	hidden, err := files.TakeAway(path)
	if err == nil {
		err = os.Remove(hidden)
	}
	return s.removed(path, hidden, err)
}

// RemoveUnused removes a file that is not in use. If Windows refuses because it is, the file stays and
// the error wraps [files.ErrFileInUse].
func (s *Store) RemoveUnused(path string) error {
	return s.removed(path, path, os.Remove(path))
}

// removed completes the removal of the file path, which may have been renamed to now.
func (s *Store) removed(path, now string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err == nil || now != path {
		_ = os.Remove(path + usedSuffix)
	}
	if err == nil {
		return nil
	}
	if busy := files.BlockedByUse(err, now); errors.Is(busy, files.ErrFileInUse) {
		return &fs.PathError{Op: "remove", Path: path, Err: busy}
	}
	return err
}

// Free returns how many bytes the disk has left for this user.
func (s *Store) Free() (uint64, error) {
	dir := s.dir
	for { // use the nearest existing folder
		if _, err := os.Stat(dir); err == nil || filepath.Dir(dir) == dir {
			break
		}
		dir = filepath.Dir(dir)
	}
	return files.DiskFree(dir)
}

// StoreLock is the exclusive right to write to a store. It ends with the process.
type StoreLock struct {
	s *Store
	f *os.File
}

// Lock creates the folder if necessary and locks the store for writing; [ErrStoreBusy] if it is locked.
// It removes unfinished files of processes that have ended.
func (s *Store) Lock() (*StoreLock, error) {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(s.dir, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := files.Lock(f); err != nil {
		f.Close()
		if errors.Is(err, files.ErrLocked) {
			err = ErrStoreBusy
		}
		return nil, err
	}
	files.RemoveAbandoned(s.dir)
	return &StoreLock{s, f}, nil
}

// Add creates a file with this name; write fills it, as in [files.Publish].
func (l *StoreLock) Add(name string, write func(*os.File) error) error {
	return files.Publish(l.s.Path(name), 0o600, write)
}

// Close releases the lock.
func (l *StoreLock) Close() error { return l.f.Close() }
