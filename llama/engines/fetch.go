package engines

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"

	"github.com/seed7adf6694/infer/internal/download"
	"github.com/seed7adf6694/infer/internal/words"
)

// ErrDownload is wrapped by a [*DownloadError].
var ErrDownload = download.ErrDownload

// DownloadError says why a download failed.
type DownloadError = download.Error

// fetch copies an archive from a file or a URL to a new file, and compares its checksums.
func (a *adding) fetch(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if u, ok := download.ParseURL(a.source); ok {
		err = a.download(u, f)
	} else {
		err = a.copyArchive(f)
	}
	for _, c := range a.sums {
		if err == nil {
			err = c.check(a.shown)
		}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// download writes what a URL has to a file.
func (a *adding) download(u *url.URL, to io.Writer) error {
	answer, err := download.Get(a.ctx, download.Request{URL: u, Client: a.o.Client, Stall: a.o.Stall})
	if err != nil {
		return err
	}
	defer answer.Close()
	total := uint64(max(answer.ContentLength, 0))
	if total > a.o.Limits.Archive {
		return a.tooLarge()
	}
	return a.receive(to, answer, "downloading", total)
}

// copyArchive writes an archive that is a file to another, so that what is unpacked is what was checked.
func (a *adding) copyArchive(to io.Writer) error {
	f, err := os.Open(a.source)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if uint64(info.Size()) > a.o.Limits.Archive {
		return a.tooLarge()
	}
	return a.receive(to, f, "copying", uint64(info.Size()))
}

// receive copies an archive, with progress, checksums, and the limit of its size.
func (a *adding) receive(to io.Writer, from io.Reader, step string, total uint64) error {
	done, limit := uint64(0), a.o.Limits.Archive
	buffer := make([]byte, copyBuffer)
	for {
		if err := context.Cause(a.ctx); err != nil {
			return err
		}
		n, err := from.Read(buffer)
		if done += uint64(n); done > limit {
			return a.tooLarge()
		}
		for _, c := range a.sums {
			c.hash.Write(buffer[:n])
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return err
		}
		if n > 0 {
			a.o.Progress(step, done, total)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// copyBuffer is the size of one read and write.
const copyBuffer = 256 << 10

func (a *adding) tooLarge() error {
	return a.bad("", fmt.Sprintf("it is larger than %s, the limit of an archive", words.Size(a.o.Limits.Archive)))
}

// readerFunc is a function as a reader.
type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }
