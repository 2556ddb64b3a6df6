package ggufcases

import (
	"fmt"
	"iter"
	"slices"
)

// Shard is one file of a model in several files. Its fields are what its header says.
type Shard struct {
	No, Count uint16
	Total     int32 // tensors of all files
	Keys      [][]byte
	Tensors   []string // each has 8 numbers of type f32
}

// Bytes returns the file. It checks nothing.
func (s Shard) Bytes() []byte {
	f := File{Keys: append([][]byte{
		Key("split.no", Uint16, U16(s.No)),
		Key("split.count", Uint16, U16(s.Count)),
		Key("split.tensors.count", Int32, U32(uint32(s.Total))),
	}, s.Keys...)}
	for _, name := range s.Tensors {
		f.Tensors = append(f.Tensors, Tensor{Name: name, Dims: []uint64{8}, Offset: f.Data})
		f.Data += 32
	}
	return f.Bytes()
}

// ShardName returns the name of a shard; no counts from 1.
func ShardName(prefix string, no, count int) string {
	return fmt.Sprintf("%s-%05d-of-%05d.gguf", prefix, no, count)
}

// SoundShards returns the files of a valid model in three files by name; the second has no tensors.
// It is no model that an engine could load.
func SoundShards() map[string][]byte {
	arch := Key("general.architecture", String, Text("llama"))
	return map[string][]byte{
		ShardName("m", 1, 3): Shard{No: 0, Count: 3, Total: 3, Keys: [][]byte{arch}, Tensors: []string{"a", "b"}}.Bytes(),
		ShardName("m", 2, 3): Shard{No: 1, Count: 3, Total: 3}.Bytes(),
		ShardName("m", 3, 3): Shard{No: 2, Count: 3, Total: 3, Tensors: []string{"c"}}.Bytes(),
	}
}

// Shards iterates over models in several files that do not belong together, or of which some are
// missing.
func Shards() iter.Seq2[string, Case] { return each(slices.Concat(shardContents(), shardNames())) }

// shardName returns the name of a file of SoundShards.
func shardName(no int) string { return ShardName("m", no, 3) }

// changedShard returns a case: SoundShards with one file replaced, or removed if content is nil.
func changedShard(what, want string, no int, content []byte) named {
	return named{what, func() Case {
		files := SoundShards()
		if files[shardName(no)] = content; content == nil {
			delete(files, shardName(no))
		}
		return Case{Files: files, Open: shardName(1), Want: want}
	}}
}

// renamedShards returns a case: SoundShards under other names.
func renamedShards(what, want, open string, names map[string]string) named {
	return named{what, func() Case {
		files := SoundShards()
		for from, to := range names {
			files[to] = files[from]
			delete(files, from)
		}
		return Case{Files: files, Open: open, Want: want}
	}}
}

// countedShard returns a file with its number and the number of files as values of a type.
func countedShard(typ uint32, no, count []byte) []byte {
	return File{Keys: [][]byte{Key("split.no", typ, no), Key("split.count", typ, count), Key("split.tensors.count", Int32, U32(3))}}.Bytes()
}

// firstShard returns s as the first file, which has the architecture.
func firstShard(s Shard) []byte {
	s.Keys = append(s.Keys, Key("general.architecture", String, Text("llama")))
	return s.Bytes()
}

// firstTensors are the tensors in the first file of SoundShards.
var firstTensors = []string{"a", "b"}

// shardContents returns cases with a file that is missing or wrong.
func shardContents() []named {
	return []named{
		changedShard("a middle shard missing", "shard 2 of 3", 2, nil),
		changedShard("the last shard missing", "shard 3 of 3", 3, nil),
		changedShard("a shard that is an empty file", "file", 2, []byte{}).short(),
		changedShard("a shard that is no GGUF file", "magic", 2, make([]byte, 100)),
		changedShard("a shard with the number of another", "split.no", 2, Shard{No: 2, Count: 3, Total: 3}.Bytes()),
		changedShard("a shard number equal to the count", "split.no", 1, firstShard(Shard{No: 3, Count: 3, Total: 3, Tensors: firstTensors})),
		changedShard("a shard that counts otherwise", "split.count", 2, Shard{No: 1, Count: 2, Total: 3}.Bytes()),
		changedShard("a shard of a model that is not split", "split.no", 2, File{}.Bytes()),
		changedShard("a count that the file's name denies", "split.count", 1, firstShard(Shard{No: 0, Count: 4, Total: 3, Tensors: firstTensors})),
		changedShard("a count of 65535", "split.count", 1, firstShard(Shard{No: 0, Count: 65535, Total: 3, Tensors: firstTensors})),
		changedShard("shards numbered from 1", "split.no", 1, firstShard(Shard{No: 1, Count: 3, Total: 3, Tensors: firstTensors})),
		changedShard("a tensor total that is too large", "split.tensors.count", 1, firstShard(Shard{No: 0, Count: 3, Total: 4, Tensors: firstTensors})),
		changedShard("a tensor total that is too small", "split.tensors.count", 1, firstShard(Shard{No: 0, Count: 3, Total: 2, Tensors: firstTensors})),
		changedShard("a tensor total of -1", "split.tensors.count", 1, firstShard(Shard{No: 0, Count: 3, Total: -1, Tensors: firstTensors})),
		changedShard("a later shard with another tensor total", "split.tensors.count", 3, Shard{No: 2, Count: 3, Total: 9, Tensors: []string{"c"}}.Bytes()),
		changedShard("a tensor in two shards", `"a"`, 3, Shard{No: 2, Count: 3, Total: 3, Tensors: []string{"a"}}.Bytes()),
		changedShard("a shard of another architecture", "another model", 2, Shard{No: 1, Count: 3, Total: 3, Keys: [][]byte{Key("general.architecture", String, Text("gemma"))}}.Bytes()).at(`key "general.architecture"`, `"gemma"`),
		changedShard("a shard cut short", "file ends", 3, Shard{No: 2, Count: 3, Total: 3, Tensors: []string{"c"}}.Bytes()[:150]).at(`tensor "c"`, "32 bytes long").short(),
		changedShard("a count without a number", "split.no", 1, File{Keys: [][]byte{Key("split.count", Uint16, U16(3))}}.Bytes()),
		changedShard("a count without a total", "split.tensors.count", 1, File{Keys: [][]byte{
			Key("split.no", Uint16, U16(0)), Key("split.count", Uint16, U16(3)),
		}}.Bytes()),
		changedShard("a count of 2^32", "split.count", 1, countedShard(Uint64, U64(0), U64(1<<32))),
		changedShard("a count of -3", "split.count", 1, countedShard(Int32, U32(0), U32(0xfffffffd))),
		changedShard("a number of -1", "split.no", 1, countedShard(Int32, U32(0xffffffff), U32(3))),
		changedShard("a count that is a string", "split.count", 1, File{Keys: [][]byte{
			Key("split.no", Uint16, U16(0)), Key("split.count", String, Text("../x")), Key("split.tensors.count", Int32, U32(3)),
		}}.Bytes()),
		changedShard("a count that is a float", "split.count", 1, countedShard(Float32, U32(0), U32(0x40400000))),
	}
}

// shardNames returns cases with files of wrong names or in wrong folders.
func shardNames() []named {
	return []named{
		renamedShards("a shard with a name that says nothing", "NAME-00001-of-00003.gguf", "model.gguf", map[string]string{shardName(1): "model.gguf"}).at(`key "split.count"`, "3"),
		renamedShards("shards with short numbers", "NAME-00001-of-00003.gguf", "m-1-of-3.gguf", map[string]string{shardName(1): "m-1-of-3.gguf", shardName(2): "m-2-of-3.gguf", shardName(3): "m-3-of-3.gguf"}).at(`key "split.count"`, "3"),
		{"two shards with their names exchanged", func() Case {
			files := SoundShards()
			files[shardName(1)], files[shardName(2)] = files[shardName(2)], files[shardName(1)]
			return Case{Files: files, Open: shardName(1), Want: "split.no"}
		}},
		renamedShards("a shard in another folder", "shard 2 of 3", "in/"+shardName(1), map[string]string{shardName(1): "in/" + shardName(1), shardName(3): "in/" + shardName(3)}),
		{"shards whose first file names another folder", func() Case {
			// No key can make the reader open a file in another folder.
			return Case{
				Files: map[string][]byte{
					"in/" + shardName(1): firstShard(Shard{No: 0, Count: 3, Total: 3, Tensors: firstTensors, Keys: [][]byte{
						Key("split.prefix", String, Text("../m")),
						Key("split.files", Array, Elements(String, 2, Text("../"+shardName(2)), Text("/etc/passwd"))),
					}}),
					shardName(2): Shard{No: 1, Count: 3, Total: 3}.Bytes(),
					shardName(3): Shard{No: 2, Count: 3, Total: 3, Tensors: []string{"c"}}.Bytes(),
				},
				Open: "in/" + shardName(1), Want: "shard 2 of 3",
			}
		}},
		{"a shard name of dots", func() Case {
			return Case{
				Files: map[string][]byte{
					"in/..-00001-of-00003.gguf": firstShard(Shard{No: 0, Count: 3, Total: 3, Tensors: firstTensors}),
					"-00002-of-00003.gguf":      Shard{No: 1, Count: 3, Total: 3}.Bytes(),
				},
				Open: "in/..-00001-of-00003.gguf", Want: "shard 2 of 3",
			}
		}},
	}
}
