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

// Store is a folder in which packed files are kept, shared by all processes of a user. A
// file appears in it whole or not at all, and can be removed at any time: whoever has it
// mapped keeps it. Windows does not remove what is mapped, and frees its space when the
// store is written to, or cleared, after that. It is safe for concurrent use.
type Store struct{ dir string }

// NewStore returns the store in a folder, which need not exist yet.
func NewStore(dir string) *Store { return &Store{dir} }

// ErrStoreBusy is returned by [Store.Lock] while another process, or another part of this
// one, writes to the store.
var ErrStoreBusy = errors.New("another process is packing a model")

// StoredFile is a file of a store.
type StoredFile struct {
	Path string
	Size uint64    // bytes
	Used time.Time // last
}

const (
	storedSuffix = ".packed.gguf"
	usedSuffix   = ".used" // of a mark beside a file, whose own time must not change
	lockName     = "lock"
)

// Dir is the store's folder.
func (s *Store) Dir() string { return s.dir }

// Path is where a file of that name is, or would be.
func (s *Store) Path(name string) string { return filepath.Join(s.dir, name+storedSuffix) }

// Files lists the files, the least recently used first; none where there is no folder.
func (s *Store) Files() ([]StoredFile, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var files []StoredFile
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || !strings.HasSuffix(e.Name(), storedSuffix) {
			continue // gone meanwhile, or not ours
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

// MarkUsed notes that a file has been used now. A store that can't be written to stays as
// it is.
func (s *Store) MarkUsed(path string) {
	if f, err := os.OpenFile(path+usedSuffix, os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
		f.Close()
		now := time.Now()
		_ = os.Chtimes(path+usedSuffix, now, now)
	}
}

// Remove removes a file. One that is not there is no error. One that Windows does not
// remove because it is mapped leaves the store all the same, under a name that a later
// [Store.Lock] or [files.RemoveAbandoned] removes; the error is then an [files.ErrFileInUse], as the
// space is not free yet. It is one too, and the file stays, where another program keeps
// others from renaming it.
func (s *Store) Remove(path string) error {
	hidden, err := files.TakeAway(path)
	if err == nil {
		err = os.Remove(hidden)
	}
	return s.removed(path, hidden, err)
}

// RemoveUnused is Remove of a file that nobody uses: where Windows does not remove it for
// being in use, it stays, and the error is an [files.ErrFileInUse].
func (s *Store) RemoveUnused(path string) error {
	return s.removed(path, path, os.Remove(path))
}

// removed ends the removal of a file that was called path and is called now now.
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

// Free is how many bytes the disk has left for this user.
func (s *Store) Free() (uint64, error) {
	dir := s.dir
	for { // of what is there of it
		if _, err := os.Stat(dir); err == nil || filepath.Dir(dir) == dir {
			break
		}
		dir = filepath.Dir(dir)
	}
	return diskFree(dir)
}

// StoreLock is the right to write to a store, of one at a time. It ends with the process.
type StoreLock struct {
	s *Store
	f *os.File
}

// Lock makes the folder where it is missing, and takes the right to write, [ErrStoreBusy]
// where somebody has it. What processes that died have left half written is removed.
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

// Add makes a file of that name by calling write with an empty one, as [files.Publish] does.
func (l *StoreLock) Add(name string, write func(*os.File) error) error {
	return files.Publish(l.s.Path(name), 0o600, write)
}

// Close gives the right back.
func (l *StoreLock) Close() error { return l.f.Close() }
