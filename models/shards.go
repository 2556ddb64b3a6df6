package models

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
)

// extension is the extension of model files.
const extension = ".gguf"

// shardPattern is llama.cpp's pattern for the names of shards, which are numbered from 1.
var shardPattern = regexp.MustCompile(`^(.+)-([0-9]{5})-of-([0-9]{5})\.gguf$`)

// A shard is the parsed file name of a shard.
type shard struct {
	base      string // the common prefix of the set
	no, count int
}

// parseShard parses a file name without folders; ok is false if it is not the name of a shard or its
// numbers are invalid.
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

// first returns the name of the first shard.
func (s shard) first() string {
	return fmt.Sprintf("%s-%05d-of-%05d%s", s.base, 1, s.count, extension)
}

// firstShard returns the path of the first shard if path is that of a shard, otherwise path.
func firstShard(path string) (first string, s shard, ok bool) {
	dir, name := filepath.Split(path)
	s, ok = parseShard(name)
	if !ok {
		return path, shard{}, false
	}
	return dir + s.first(), s, true
}

// Shards returns the names of all files of a model of which one has a name; that of a model in one file
// alone.
func Shards(name string) []string {
	s, ok := parseShard(name)
	if !ok {
		return []string{name}
	}
	var names []string
	for no := 1; no <= s.count; no++ {
		names = append(names, fmt.Sprintf("%s-%05d-of-%05d%s", s.base, no, s.count, extension))
	}
	return names
}
