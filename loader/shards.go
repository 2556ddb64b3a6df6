package loader

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
)

const (
	keySplitNo      = "split.no"
	keySplitCount   = "split.count"
	keySplitTensors = "split.tensors.count"
)

// shardName matches the names that llama.cpp gives to the shards of a model; the
// numbers count from 1, those in the metadata from 0.
var shardName = regexp.MustCompile(`^(.*)-(\d{5})-of-(\d{5})\.gguf$`)

// openShards opens the other shards of a model of which one is open, and returns all
// in order. On an error all files are closed.
func openShards(one *file) (files []*file, err error) {
	files = []*file{one}
	defer func() {
		if err != nil {
			closeFiles(files)
		}
	}()
	count, ok, err := one.splitNumber(keySplitCount)
	if err != nil {
		return nil, err
	}
	if !ok || count <= 1 {
		return files, nil
	}
	no, ok, err := one.splitNumber(keySplitNo)
	if err != nil {
		return nil, err
	}
	if !ok || no >= count {
		return nil, one.bad(keySplitNo, fmt.Sprint(no), "shards count from 0 to %d", count-1)
	}
	dir, name := filepath.Split(one.path)
	m := shardName.FindStringSubmatch(name)
	if m == nil {
		return nil, one.bad(keySplitCount, fmt.Sprint(count), "a shard is called NAME-00001-of-%05d.gguf", count)
	}
	if n, _ := strconv.ParseUint(m[2], 10, 32); n != no+1 {
		return nil, one.bad(keySplitNo, fmt.Sprint(no), "the file's name says shard %d, which would be %d", n, int64(n)-1)
	}
	if n, _ := strconv.ParseUint(m[3], 10, 32); n != count {
		return nil, one.bad(keySplitCount, fmt.Sprint(count), "the file's name says %d", n)
	}
	// The other names differ in the number alone: they cannot lead out of the folder.
	opened := make([]*file, count)
	opened[no] = one
	for i := range opened {
		if opened[i] != nil {
			continue
		}
		path := dir + fmt.Sprintf("%s-%05d-of-%05d.gguf", m[1], i+1, count)
		f, err := openFile(path)
		if err != nil {
			var bad *FormatError
			if errors.As(err, &bad) {
				return nil, err
			}
			return nil, &FormatError{File: one.path, Offset: -1, Field: fmt.Sprintf("shard %d of %d", i+1, count), Reason: "cannot be opened", Err: err}
		}
		files = append(files, f)
		opened[i] = f
		if err := f.checkShard(uint64(i), count, one); err != nil {
			return nil, err
		}
	}
	if err := checkShards(opened); err != nil {
		return nil, err
	}
	return opened, nil
}

// splitNumber reads a number of the split metadata, of whatever integer type.
func (f *file) splitNumber(key string) (uint64, bool, error) {
	for _, kv := range f.header.keys {
		if kv.key != key {
			continue
		}
		n, ok := kv.value.Uint()
		if !ok || n > 1<<16-1 && key != keySplitTensors {
			return 0, true, f.bad(key, quote(kv.value.String()), "it must be a number of 0 to 65535")
		}
		return n, true, nil
	}
	return 0, false, nil
}

func (f *file) bad(key, value, reason string, args ...any) error {
	offset := int64(-1)
	for _, kv := range f.header.keys {
		if kv.key == key {
			offset = kv.offset
		}
	}
	return &FormatError{File: f.path, Offset: offset, Field: "key " + key, Value: value, Reason: fmt.Sprintf(reason, args...)}
}

// checkShard checks that f is shard i of the model that one belongs to.
func (f *file) checkShard(i, count uint64, one *file) error {
	n, ok, err := f.splitNumber(keySplitCount)
	if err != nil {
		return err
	}
	if !ok || n != count {
		return f.bad(keySplitCount, fmt.Sprint(n), "%s has %d: a shard of another model", one.path, count)
	}
	if n, ok, err = f.splitNumber(keySplitNo); err != nil {
		return err
	}
	if !ok || n != i {
		return f.bad(keySplitNo, fmt.Sprint(n), "the file's name says %d", i)
	}
	if f.header.alignment != one.header.alignment {
		return f.bad(keyAlignment, fmt.Sprint(f.header.alignment), "%s has %d: a shard of another model", one.path, one.header.alignment)
	}
	for _, key := range []string{"general.architecture", "general.name"} {
		a, b := f.value(key), one.value(key)
		if a.Type() == ValueString && b.Type() == ValueString && a.String() != b.String() {
			return f.bad(key, quote(a.String()), "%s has %s: a shard of another model", one.path, quote(b.String()))
		}
	}
	return nil
}

func (f *file) value(key string) Value {
	for _, kv := range f.header.keys {
		if kv.key == key {
			return kv.value
		}
	}
	return Value{}
}

// checkShards checks what only all shards together show.
func checkShards(files []*file) error {
	total := uint64(0)
	home := map[string]string{}
	for _, f := range files {
		for _, t := range f.header.tensors {
			if other := home[t.Name]; other != "" {
				return &FormatError{File: f.path, Offset: -1, Field: "tensor " + quote(t.Name), Reason: "is in " + other + " too"}
			}
			home[t.Name] = f.path
			total++
		}
	}
	for _, f := range files {
		n, ok, err := f.splitNumber(keySplitTensors)
		if err != nil {
			return err
		}
		if ok && n != total {
			return f.bad(keySplitTensors, fmt.Sprint(n), "the shards have %d", total)
		}
	}
	return nil
}
