package check

import (
	"encoding/binary"
	"fmt"

	"github.com/seed7adf6694/infer/loader/gguf"
)

// maxCharsmap is the maximum size of the table in bytes; that of T5 has about 250,000.
const maxCharsmap = 4 << 20

// checkCharsmap checks the normalisation table of a t5 vocabulary: a length, a double-array trie of
// that many bytes, and NUL-terminated replacements. The engine walks it for every text: an index
// out of bounds ends the process, and the end of the last replacement is not checked.
func checkCharsmap(v *vocabulary) error {
	const name = "precompiled_charsmap"
	val, ok := v.ix.Lookup("tokenizer.ggml." + name)
	if !ok {
		return nil
	}
	if err := checkArray(v.ix, "tokenizer.ggml."+name, val, gguf.ValueUint8, gguf.ValueInt8); err != nil {
		return err
	}
	if val.Len() > maxCharsmap {
		return v.fail(name, fmt.Sprintf("%d bytes", val.Len()), fmt.Sprintf("must be at most %d", maxCharsmap))
	}
	blob := make([]byte, val.Len())
	for i, n := range intsOf(val) {
		blob[i] = byte(n)
	}
	if len(blob) == 0 {
		return nil
	}
	size := uint64(0)
	if len(blob) >= 4 {
		size = uint64(binary.LittleEndian.Uint32(blob))
	}
	if len(blob) < 5 || size+4 >= uint64(len(blob)) {
		return v.fail(name, fmt.Sprintf("%d bytes", len(blob)), fmt.Sprintf("too short for a trie of %d bytes and its replacements", size))
	}
	replacements := blob[4+size:]
	if replacements[len(replacements)-1] != 0 {
		return v.fail(name, fmt.Sprintf("%d bytes of replacements", len(replacements)), "the last one has no end")
	}
	if at, ok := walkCharsmap(blob[4:4+size], len(replacements)); !ok {
		return v.fail(name, fmt.Sprintf("node %d", at), "the trie points outside of itself or of the replacements")
	}
	return nil
}

// walkCharsmap visits every reachable node. From a node with base b, the bytes 1 to 255 lead to the
// entries b^1 to b^255.
func walkCharsmap(trie []byte, replacements int) (at uint32, ok bool) {
	n := uint32(len(trie) / 4)
	if n == 0 {
		return 0, true
	}
	entry := func(i uint32) uint32 { return binary.LittleEndian.Uint32(trie[4*i:]) }
	base := func(e uint32) uint32 { return e >> 10 << (e & (1 << 9) >> 6) }
	seen := make([]bool, n)
	queue := []uint32{base(entry(0))}
	for len(queue) > 0 {
		b := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		for c := uint32(1); c < 256; c++ {
			i := b ^ c
			if i >= n {
				return i, false
			}
			e := entry(i)
			if e&(1<<31|0xff) != c || seen[i] {
				continue
			}
			seen[i] = true
			next := i ^ base(e)
			if e>>8&1 != 0 { // a replacement ends here; next holds its offset
				if next >= n || entry(next)&(1<<31-1) >= uint32(replacements) {
					return i, false
				}
			}
			queue = append(queue, next)
		}
	}
	return 0, true
}
