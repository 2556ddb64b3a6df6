package gguf

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/seed7adf6694/infer/internal/words"
)

const (
	keySplitNo      = "split.no"
	keySplitCount   = "split.count"
	keySplitTensors = "split.tensors.count"

	maxShards = 1<<16 - 1 // the engine reads these keys as uint16
)

// shardSet is what all shards of a model have in common, and the shards read so far.
type shardSet struct {
	one         *file // the shard that was opened by name
	dir, prefix string
	count       int
	files       []*file
}

// openShards opens the other shards of a model and returns all in order; a model that is not split
// is its only file. After an error all files are closed.
func openShards(one *file) (files []*file, err error) {
	s := &shardSet{one: one, count: 1}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	count, ok, err := one.splitNumber(keySplitCount)
	if err != nil {
		return nil, err
	}
	if !ok || count <= 1 {
		s.files = []*file{one}
		return s.files, nil
	}
	s.count = int(count)
	if at, ok := one.joined(); ok {
		return nil, one.bad(keySplitCount, fmt.Sprint(count), "another file begins at byte %d: shards that were joined end to end are no model; keep each in a file of its own, or merge them with gguf-split", at)
	}
	if err := s.locate(); err != nil {
		return nil, err
	}
	for i := range s.files {
		if err := s.open(i); err != nil {
			return nil, err
		}
	}
	return s.files, s.checkTotal()
}

func (s *shardSet) close() {
	s.one.Close()
	for _, f := range s.files {
		if f != nil && f != s.one {
			f.Close()
		}
	}
}

// locate determines which shard was opened and the names of the others.
func (s *shardSet) locate() error {
	no, ok, err := s.one.splitNumber(keySplitNo)
	switch {
	case err != nil:
		return err
	case !ok:
		return s.one.bad(keySplitNo, "missing", "a model in %d files says in each which it is", s.count)
	case no >= uint64(s.count):
		return s.one.bad(keySplitNo, fmt.Sprint(no), "%d files are counted from 0 to %d", s.count, s.count-1)
	}
	dir, name := filepath.Split(s.one.Path)
	prefix, number, of, ok := parseShardName(name)
	if !ok {
		// A symbolic link may have any name; the file that it leads to is named as a shard.
		if target, err := filepath.EvalSymlinks(s.one.Path); err == nil {
			dir, name = filepath.Split(target)
			prefix, number, of, ok = parseShardName(name)
		}
	}
	switch {
	case !ok:
		return s.one.bad(keySplitCount, fmt.Sprint(s.count), "the file should be called NAME-%05d-of-%05d.gguf, or the others can't be found", no+1, s.count)
	case of != s.count:
		return s.one.bad(keySplitCount, fmt.Sprint(s.count), "the file's name says %d", of)
	case uint64(number) != no+1:
		return s.one.bad(keySplitNo, fmt.Sprint(no), "the file's name says %d, which is %d counted from 0", number, number-1)
	}
	s.dir, s.prefix = dir, prefix
	s.files = make([]*file, s.count)
	s.files[no] = s.one
	return nil
}

// open opens and checks shard i. The names of shards differ only in their number, so they stay in
// one folder; no file name is read from a file.
func (s *shardSet) open(i int) error {
	if s.files[i] != nil {
		return nil
	}
	path := s.dir + shardName(s.prefix, i+1, s.count)
	f, err := readHeader(path)
	if err != nil {
		if bad := (*FormatError)(nil); errors.As(err, &bad) {
			return err
		}
		return s.missingShard(i, path, err)
	}
	s.files[i] = f
	no, ok, err := f.splitNumber(keySplitNo)
	switch {
	case err != nil:
		return err
	case !ok:
		return f.bad(keySplitNo, "missing", "a model in %d files says in each which it is", s.count)
	case no != uint64(i):
		return f.bad(keySplitNo, fmt.Sprint(no), "the file's name says %d, which is %d counted from 0", i+1, i)
	}
	count, ok, err := f.splitNumber(keySplitCount)
	switch {
	case err != nil:
		return err
	case ok && count != uint64(s.count):
		return f.bad(keySplitCount, fmt.Sprint(count), "%s says %d: a shard of another model", words.QuotePath(s.one.Path), s.count)
	}
	// Only the first shard has to repeat the general metadata.
	for _, key := range []string{KeyArchitecture, "general.name"} {
		mine, has := f.header.lookup(key)
		other, also := s.one.header.lookup(key)
		if has && also && mine.value.String() != other.value.String() {
			return f.bad(key, words.Literal(mine.value.String()), "%s says %s: a shard of another model", words.QuotePath(s.one.Path), words.Literal(other.value.String()))
		}
	}
	return nil
}

// checkTotal compares the number of tensors with the total that each file states.
func (s *shardSet) checkTotal() error {
	total := uint64(0)
	for _, f := range s.files {
		total += uint64(len(f.header.tensors))
	}
	for i, f := range s.files {
		n, ok, err := f.splitNumber(keySplitTensors)
		switch {
		case err != nil:
			return err
		case !ok && i == 0:
			return f.bad(keySplitTensors, "missing", "the first file says how many tensors all %d have", s.count)
		case ok && n != total:
			return f.bad(keySplitTensors, fmt.Sprint(n), "the %d files have %d", s.count, total)
		}
	}
	return nil
}

// splitNumber returns an integer of the split metadata, of any integer type, and whether there is
// one.
func (f *file) splitNumber(key string) (uint64, bool, error) {
	kv, ok := f.header.lookup(key)
	if !ok {
		return 0, false, nil
	}
	n, ok := kv.value.Uint()
	switch {
	case !ok:
		return 0, false, f.bad(key, "of type "+kv.value.Type().String()+" with value "+kv.value.String(), "it must be a non-negative integer")
	case n > maxShards && key != keySplitTensors:
		return 0, false, f.bad(key, fmt.Sprint(n), "a model has at most %d files", maxShards)
	}
	return n, true, nil
}

// bad returns an error about a key.
func (f *file) bad(key, value, reason string, args ...any) error {
	kv, _ := f.header.lookup(key)
	return &FormatError{File: f.Path, Offset: kv.offset, Field: "key " + words.Literal(key), Value: value, Reason: fmt.Sprintf(reason, args...)}
}

// shardName returns the name of a shard, counted from 1.
func shardName(prefix string, number, count int) string {
	return fmt.Sprintf("%s-%05d-of-%05d.gguf", prefix, number, count)
}

// parseShardName is the inverse of shardName.
func parseShardName(name string) (prefix string, number, count int, ok bool) {
	rest, ok := strings.CutSuffix(name, ".gguf")
	if !ok || len(rest) < len("-00001-of-00001") {
		return "", 0, 0, false
	}
	prefix, rest = rest[:len(rest)-15], rest[len(rest)-15:]
	number, err1 := strconv.Atoi(rest[1:6])
	count, err2 := strconv.Atoi(rest[10:])
	if err1 != nil || err2 != nil || number < 1 || count < 1 || name != shardName(prefix, number, count) {
		return "", 0, 0, false
	}
	return prefix, number, count, true
}
