package texts

import (
	"bytes"
	"errors"
	"io"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"
)

// marks are the byte order marks and their encodings. Those of UTF-32 come first: one of them
// begins with a mark of UTF-16.
var marks = []struct {
	mark string
	rest encoding.Encoding // nil: UTF-8
}{
	{"\xff\xfe\x00\x00", utf32.UTF32(utf32.LittleEndian, utf32.IgnoreBOM)},
	{"\x00\x00\xfe\xff", utf32.UTF32(utf32.BigEndian, utf32.IgnoreBOM)},
	{"\xff\xfe", unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)},
	{"\xfe\xff", unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)},
	{"\xef\xbb\xbf", nil},
}

const longestMark = 4

// Decode returns a text as UTF-8, without its byte order mark: editors on Windows write one, and
// PowerShell 5.1 writes UTF-16. A text without a mark is returned unchanged, even if it is not
// valid UTF-8. Invalid UTF-16 and UTF-32 becomes U+FFFD.
func Decode(in io.Reader) (io.Reader, error) {
	head := make([]byte, longestMark)
	n, err := io.ReadFull(in, head)
	head = head[:n]
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		in = bytes.NewReader(nil) // do not read a terminal again after its end
	case err != nil:
		return nil, err
	}
	for _, m := range marks {
		if rest, ok := bytes.CutPrefix(head, []byte(m.mark)); ok {
			in = io.MultiReader(bytes.NewReader(rest), in)
			if m.rest != nil {
				in = m.rest.NewDecoder().Reader(in)
			}
			return in, nil
		}
	}
	return io.MultiReader(bytes.NewReader(head), in), nil
}
