package ggufcases

import (
	"iter"
	"os"
	"path/filepath"
)

// A Case is a model that must be refused: a file, or several files of one model.
type Case struct {
	Bytes []byte            // the file, if there is one
	Files map[string][]byte // several files' contents by name; names may contain folders
	Open  string            // the one of Files that is opened
	Want  string            // text that the error must contain

	// Of the *gguf.FormatError: a part of its Field (Want if empty), the beginning of its Value, and
	// whether the file is truncated.
	Field, Value string
	Truncated    bool
}

// Write writes the files to a folder, which it creates if necessary, and returns the path to open.
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

// Hostile iterates over all cases by name: [Structure], [Shards] and [Models]. Each case is made on
// demand. Some are large: do not keep them.
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

// named is a case that is made on demand, with its name.
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
