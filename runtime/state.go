package runtime

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"

	"github.com/seed7adf6694/infer/internal/files"
	"github.com/seed7adf6694/infer/llama"
)

// ErrBadState is returned by [Session.Restore] for files that it can't restore; errors.As to
// [*StateError] gives the reason.
var ErrBadState = errors.New("not a state of this session")

// StateError is the error of a file that is no saved session, is damaged, or is of another model,
// engine or other options.
type StateError struct {
	Path   string
	Reason string // what differs, and what to do
	Err    error  // of the engine; may be nil
}

func (e *StateError) Error() string {
	s := e.Path + " can't be restored: " + e.Reason
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Is makes the error an ErrBadState.
func (e *StateError) Is(target error) bool { return target == ErrBadState }

// Unwrap returns Err.
func (e *StateError) Unwrap() error { return e.Err }

// A saved session is the engine's state, then savedState as JSON, its length and its CRC-32 as 4
// bytes each, little-endian, and savedEnd.
const savedEnd = "infer session\x01\n"

// mostSaved bounds the JSON in bytes.
const mostSaved = 1 << 16

// savedState is what a session must have in common with the one that was saved.
type savedState struct {
	Engine       string        `json:"engine"`
	Architecture string        `json:"architecture"`
	Model        string        `json:"model"` // a hash: see fingerprint
	CacheTypeK   string        `json:"cache_type_k"`
	CacheTypeV   string        `json:"cache_type_v"`
	Flash        string        `json:"flash_attention"`
	Tokens       int           `json:"tokens"`
	Tail         []llama.Token `json:"tail"`
}

// saved describes the session as it is now.
func (s *Session) saved() savedState {
	return savedState{
		Engine: llama.Engine().Layouts(), Architecture: s.model.info.Architecture, Model: s.model.fingerprint(),
		CacheTypeK: cacheName(s.cacheK), CacheTypeV: cacheName(s.cacheV), Flash: s.flash.String(), Tokens: len(s.tokens), Tail: s.tail,
	}
}

// fingerprint is a hash of what the model's file says of it: metadata and tensors, but not the bytes of
// the weights. A packed file has that of its source.
func (m *Model) fingerprint() string {
	h := sha256.New()
	index := m.weights.index
	fmt.Fprintf(h, "%s %d\n", m.info.Architecture, m.info.Params)
	for _, key := range []string{"general.name", "general.basename", "general.finetune", "general.version", "general.size_label"} {
		if v, ok := index.Lookup(key); ok {
			fmt.Fprintf(h, "%s %v\n", key, v)
		}
	}
	for _, t := range index.Tensors() {
		fmt.Fprintf(h, "%s %v %v\n", t.Name, t.Shape, t.Type)
	}
	if v, ok := index.Lookup("tokenizer.ggml.tokens"); ok {
		for i, text := range v.Strings() {
			fmt.Fprintf(h, "%d %q\n", i, text)
		}
	}
	for _, a := range m.config.adapters {
		fmt.Fprintf(h, "%s %v\n", a.Path, a.Scale)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Save writes the session's text and state to a file, completely or not at all: Restore then goes on
// without computing the text again. The file has the size of the text's KV cache; writing it takes
// memory for one tensor of it. It is meant for the same model, engine and kind of CPU.
func (s *Session) Save(path string) error {
	if err := s.lock(); err != nil {
		return err
	}
	defer s.unlock()
	return files.WriteFile(path, func(f *os.File) error {
		size, err := s.ctx.SaveSeq(0, f, s.tokens)
		if err != nil {
			return s.closedError(err)
		}
		description, err := json.Marshal(s.saved())
		if err != nil {
			return err
		}
		sum := crc32.ChecksumIEEE(description)
		end := binary.LittleEndian.AppendUint32(description, uint32(len(description)))
		end = binary.LittleEndian.AppendUint32(end, sum)
		_, err = f.WriteAt(append(end, savedEnd...), size)
		return err
	})
}

// Restore replaces the session's text and state by those of a file that Save has written. A file that
// does not suit is a [*StateError]; the session is unchanged then, or empty if the engine has refused
// the state. Only files of one's own should be restored: damage is recognised, but the engine does not
// check a state that was made to deceive.
func (s *Session) Restore(path string) error {
	if err := s.lock(); err != nil {
		return err
	}
	defer s.unlock()
	f, err := files.OpenRegular(path)
	if err != nil {
		return err
	}
	defer f.Close()
	was, size, err := readSaved(f)
	if err != nil {
		return &StateError{Path: path, Reason: "it is no saved session, or a part of one", Err: err}
	}
	now := s.saved()
	for _, c := range []struct{ what, was, now, advice string }{
		{"engine", was.Engine, now.Engine, "use that engine, or compute the text again"},
		{"architecture", was.Architecture, now.Architecture, "use the model that it was saved with"},
		{"model", was.Model, now.Model, "use the model that it was saved with"},
		{"K cache", was.CacheTypeK, now.CacheTypeK, "use the same cache types"},
		{"V cache", was.CacheTypeV, now.CacheTypeV, "use the same cache types"},
		{"flash attention", was.Flash, now.Flash, "use the same flash attention"},
	} {
		switch {
		case c.was == c.now:
		case c.what == "model":
			return &StateError{Path: path, Reason: "it is of another model: " + c.advice}
		default:
			return &StateError{Path: path, Reason: fmt.Sprintf("it has %s %q, this session %q: %s", c.what, c.was, c.now, c.advice)}
		}
	}
	if was.Tokens+len(was.Tail) >= s.context {
		return &StateError{Path: path, Reason: "its text is too long", Err: s.contextError(was.Tokens + len(was.Tail))}
	}
	if err := s.reset(); err != nil {
		return err
	}
	tokens, err := s.ctx.LoadSeq(0, f, size, s.context)
	if err != nil {
		s.reset()
		if errors.Is(err, llama.ErrClosed) {
			return s.closedError(err)
		}
		return &StateError{Path: path, Reason: "the engine refuses it", Err: err}
	}
	s.tokens, s.tail = append(s.tokens[:0], tokens...), append(s.tail[:0], was.Tail...)
	return nil
}

// readSaved reads the description of a saved session, and returns the size of the engine's state before it.
func readSaved(f *os.File) (was savedState, size int64, err error) {
	info, err := f.Stat()
	if err != nil {
		return was, 0, err
	}
	end := make([]byte, 8+len(savedEnd))
	at := info.Size() - int64(len(end))
	if at < 0 {
		return was, 0, io.ErrUnexpectedEOF
	}
	if _, err := f.ReadAt(end, at); err != nil {
		return was, 0, err
	}
	n := int64(binary.LittleEndian.Uint32(end))
	if string(end[8:]) != savedEnd || n > min(at, mostSaved) {
		return was, 0, errors.New("it does not end like one")
	}
	description := make([]byte, n)
	if _, err := f.ReadAt(description, at-n); err != nil {
		return was, 0, err
	}
	if crc32.ChecksumIEEE(description) != binary.LittleEndian.Uint32(end[4:]) {
		return was, 0, errors.New("it is damaged")
	}
	return was, at - n, json.Unmarshal(description, &was)
}
