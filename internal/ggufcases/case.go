package ggufcases

import (
	"iter"
	"os"
	"path/filepath"
)

// A Case is a model that must be refused: one file, or several that belong together.
type Case struct {
	Bytes []byte            // the file, unless there are several
	Files map[string][]byte // their contents by name; names may have folders in them
	Open  string            // which of Files is opened
	Want  string            // what the error's text must mention

	// Fields of the *gguf.FormatError: a part of its Field (Want if empty), the beginning of its
	// Value, and whether the file is truncated.
	Field, Value string
	Truncated    bool
}

// Write writes the files into a folder, which it makes if need be, and returns the
// path that is to be opened.
func (c Case) Write(folder string) (path string, err error) {
	files, open := c.Files, c.Open
	if files == nil {
		open = "model.gguf"
		files = map[string][]byte{open: c.Bytes}
	}
	for name, content := range files {
		path := filepath.Join(folder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return "", err
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			return "", err
		}
	}
	return filepath.Join(folder, filepath.FromSlash(open)), nil
}

// Hostile iterates over all cases by name: [Structure], [Shards] and [Models]. A case
// is made when it is reached, and some are large: keep none longer than needed.
func Hostile() iter.Seq2[string, Case] {
	return func(yield func(string, Case) bool) {
		for _, group := range []iter.Seq2[string, Case]{Structure(), Shards(), Models()} {
			for name, c := range group {
				if !yield(name, c) {
					return
				}
			}
		}
	}
}

// named is a case that is made on demand.
type named struct {
	name string
	make func() Case
}

// at is the case with the field and value that its error names, where the text that it mentions
// says what is wrong with them.
func (n named) at(field, value string) named {
	return named{n.name, func() Case {
		c := n.make()
		c.Field, c.Value = field, value
		return c
	}}
}

// short is the case of a file that ends too early.
func (n named) short() named {
	return named{n.name, func() Case {
		c := n.make()
		c.Truncated = true
		return c
	}}
}

func each(cases []named) iter.Seq2[string, Case] {
	return func(yield func(string, Case) bool) {
		for _, c := range cases {
			if !yield(c.name, c.make()) {
				return
			}
		}
	}
}
