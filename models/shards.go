package models

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
)

// extension is how the file name of a model ends.
const extension = ".gguf"

// shardPattern is llama.cpp's naming of the files of a split model; they count
// from 1.
var shardPattern = regexp.MustCompile(`^(.+)-([0-9]{5})-of-([0-9]{5})\.gguf$`)

// A shard is what the name of one file of a split model says.
type shard struct {
	base      string // what the files of the set have in common
	no, count int
}

// parseShard reads a file name (no folders); ok is false where the name is not
// that of a shard or its numbers make no sense.
func parseShard(name string) (s shard, ok bool) {
	m := shardPattern.FindStringSubmatch(name)
	if m == nil {
		return shard{}, false
	}
	// Five digits always fit.
	no, _ := strconv.Atoi(m[2])
	count, _ := strconv.Atoi(m[3])
	return shard{m[1], no, count}, 1 <= no && no <= count
}

// first is the name of the set's first file, by which the set is known.
func (s shard) first() string {
	return fmt.Sprintf("%s-%05d-of-%05d%s", s.base, 1, s.count, extension)
}

// firstShard returns the path of the first shard where path names a shard, and
// path itself otherwise.
func firstShard(path string) (first string, s shard, ok bool) {
	dir, name := filepath.Split(path)
	s, ok = parseShard(name)
	if !ok {
		return path, shard{}, false
	}
	return dir + s.first(), s, true
}
