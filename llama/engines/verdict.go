package engines

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/seed7adf6694/infer/internal/files"
	"github.com/seed7adf6694/infer/internal/words"
)

// Verdict is what a check of an engine has shown. It holds for the contents of the engine's files, and
// for the machine on which it was made: which instructions may be used depends on processor and
// system.
type Verdict struct {
	Hash    string    `json:"hash"`    // see [Folder.Hash]
	OK      bool      `json:"ok"`      // the engine may be used
	Failure string    `json:"failure"` // the kind of reason why not; the caller's word
	Reason  string    `json:"reason"`  // why not; at most 4 KiB are stored
	ABI     string    `json:"abi"`     // which one it has; the caller's name
	Version string    `json:"version"` // what the engine says of itself
	Time    time.Time `json:"time"`    // of the check

	// Checker names what checked, such as the version of the program. A verdict of another one is
	// void.
	Checker string `json:"checker"`
	Machine string `json:"machine"` // set by [StoreVerdict]
}

const (
	mostReason      = 4 << 10
	mostVerdictFile = 64 << 10
)

// errHash is the error for a hash that is none.
var errHash = errors.New("not the hash of an engine")

// verdictPath is where the verdict on a hash is stored: infer/verdicts in the user's folder for data.
func verdictPath(hash string) (string, error) {
	if b, err := hex.DecodeString(hash); err != nil || len(b) != 32 || hash != strings.ToLower(hash) {
		return "", fmt.Errorf("%w: %s", errHash, words.Literal(hash))
	}
	dir, err := dataDir("verdicts")
	return filepath.Join(dir, hash+".json"), err
}

// StoredVerdict returns the verdict that was stored for a hash, on this machine by this checker; false
// if there is none, if it can't be read, or if others could have written it.
func StoredVerdict(hash, checker string) (v Verdict, ok bool) {
	path, err := verdictPath(hash)
	if err != nil || distrust(path) != nil {
		return v, false
	}
	f, err := os.Open(path)
	if err != nil {
		return v, false
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, mostVerdictFile))
	if err != nil || json.Unmarshal(text, &v) != nil || v.Hash != hash || v.Checker != checker || v.Machine != machine() {
		return Verdict{}, false
	}
	return v, true
}

// StoreVerdict stores a verdict in place of an earlier one on the same hash.
func StoreVerdict(v Verdict) error {
	path, err := verdictPath(v.Hash)
	if err != nil {
		return err
	}
	v.Machine, v.Time = machine(), v.Time.UTC()
	if len(v.Reason) > mostReason {
		v.Reason = strings.ToValidUTF8(v.Reason[:mostReason], "")
	}
	text, err := words.EncodeJSON(v)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return files.Publish(path, 0o600, func(f *os.File) error {
		_, err := f.Write(text)
		return err
	})
}
