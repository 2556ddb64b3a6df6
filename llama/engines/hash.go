package engines

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"runtime"

	"golang.org/x/sync/errgroup"
)

// hashBuffer is the size of one read.
const hashBuffer = 1 << 20

// Hash returns the SHA-256, in hexadecimal, over names and contents of the libraries of llama.cpp in
// the folder, whose names begin with llama or ggml, and of its backends elsewhere. Others, such as those
// of CUDA, have no part in it. It changes when one of them is changed, added, renamed or removed.
// The files are listed and read each time, two megabytes of memory at a time.
func (f Folder) Hash() (string, error) {
	var dirs []string
	if len(f.Engines) > 0 {
		dirs = backendDirs(f.Path, f.Engines[0].Ggml)
	}
	names, err := libraries(f.Path, dirs)
	if err != nil {
		return "", err
	}
	if len(names) == 0 {
		return "", missing(f.Path, required)
	}
	sums := make([]string, len(names))
	var g errgroup.Group
	g.SetLimit(min(runtime.GOMAXPROCS(0), 2))
	for i, n := range names {
		g.Go(func() (err error) {
			sums[i], err = hashFile(n.path)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return "", err
	}
	all := sha256.New()
	for i, n := range names {
		fmt.Fprintf(all, "%d %s %s\n", len(n.file), n.file, sums[i])
	}
	return hex.EncodeToString(all.Sum(nil)), nil
}

func hashFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	// Without methods that would be preferred to the buffer.
	if _, err := io.CopyBuffer(struct{ io.Writer }{h}, struct{ io.Reader }{f}, make([]byte, hashBuffer)); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
