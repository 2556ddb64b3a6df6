package pull

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/seed7adf6694/infer/internal/download"
	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/models"
)

// Options are the options of [Pull]. The zero value is useful.
type Options struct {
	// Dir is the folder of models; "" is the first of INFER_MODELS, or else [models.UserDir].
	Dir string

	// Endpoint is the server of names; "" is HF_ENDPOINT, or else https://huggingface.co.
	Endpoint string

	// Token is sent to the endpoint, and to no other host; "" is HF_TOKEN.
	Token string

	// SHA256 is that of the file, in hexadecimal, for a source of one file. Those of names are known
	// to the server.
	SHA256 string

	// Progress is called by one goroutine, at most once for each read.
	Progress func(Progress)

	// Retries is how often a download is tried again after it was cut off without having come further; 0
	// is 5, negative is never.
	Retries int

	// Wait is the time before the first of these, which doubles; 0 is a second. A server's
	// Retry-After is kept to, up to a minute.
	Wait time.Duration

	// Stall is how long a server may send nothing; 0 is a minute.
	Stall time.Duration

	// Client downloads; nil is one with the proxies of the environment.
	Client *http.Client
}

// Progress is how far a call of [Pull] is.
type Progress struct {
	Step        string // "downloading", or "checking" what is there already
	File        string // its name
	Index, Of   int    // of the file, from 1 on, and the number of files
	Done, Total uint64 // bytes of the file; Total is 0 where the server does not say
}

// Result is what was pulled.
type Result struct {
	Path       string   // of the model's file, or of its first shard
	Files      []string // paths of all files
	Bytes      uint64   // of all files
	Downloaded uint64   // bytes that came in this call; 0: all was there
}

// Errors.
var (
	// ErrSource is wrapped for a source that is neither a name nor a URL, and options that do not suit it.
	ErrSource = errors.New("no source of a model")

	// ErrDownload is wrapped by a [*DownloadError].
	ErrDownload = download.ErrDownload

	// ErrChecksum is wrapped by a [*ChecksumError].
	ErrChecksum = errors.New("the checksum is another")

	// ErrTaken is wrapped by a [*TakenError].
	ErrTaken = errors.New("another file has this name")

	// ErrSpace is wrapped by a [*SpaceError].
	ErrSpace = errors.New("not enough space on the disk")
)

// DownloadError says why a server did not send a file. URL is without passwords.
type DownloadError = download.Error

// ChecksumError is returned for a file that is another than the one that is wanted. It was removed.
type ChecksumError struct {
	File      string
	Want, Got string // SHA-256 in hexadecimal
}

func (e *ChecksumError) Error() string {
	return fmt.Sprintf("%s: %s: SHA-256 %s of what came, %s is wanted; it was removed: pull it again", words.QuotePath(e.File), ErrChecksum, e.Got, e.Want)
}

// Unwrap returns [ErrChecksum].
func (e *ChecksumError) Unwrap() error { return ErrChecksum }

// TakenError is returned for a URL, without a SHA-256, whose file's name another file has. That stays as it is.
type TakenError struct {
	File   string
	Source string // the URL that it came from, without a query; "": unknown
}

func (e *TakenError) Error() string {
	from := "which did not come from this URL"
	if e.Source != "" {
		from = "which came from " + words.QuotePath(e.Source)
	}
	return fmt.Sprintf("%s: %s, %s: remove it, choose another folder, or give the SHA-256 of the file", words.QuotePath(e.File), ErrTaken, from)
}

// Unwrap returns [ErrTaken].
func (e *TakenError) Unwrap() error { return ErrTaken }

// SpaceError is returned before anything is downloaded that the disk can't hold.
type SpaceError struct {
	Dir        string
	Need, Free uint64 // bytes
}

func (e *SpaceError) Error() string {
	return fmt.Sprintf("%s: %s: %s are missing there, of %s that are needed: make room, or choose another folder", words.QuotePath(e.Dir), ErrSpace, words.Size(e.Need-e.Free), words.Size(e.Need))
}

// Unwrap returns [ErrSpace].
func (e *SpaceError) Unwrap() error { return ErrSpace }

func (o Options) withDefaults() (Options, error) {
	o.Endpoint = cmp.Or(o.Endpoint, os.Getenv("HF_ENDPOINT"), "https://huggingface.co")
	o.Token = cmp.Or(o.Token, os.Getenv("HF_TOKEN"))
	o.Retries = cmp.Or(o.Retries, 5)
	o.Wait = cmp.Or(o.Wait, time.Second)
	o.Stall = cmp.Or(o.Stall, time.Minute)
	if o.Client == nil {
		o.Client = http.DefaultClient
	}
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	if o.Dir == "" {
		for _, dir := range filepath.SplitList(os.Getenv(models.DirsVariable)) {
			o.Dir = cmp.Or(o.Dir, dir)
		}
	}
	if o.Dir == "" {
		dir, err := models.UserDir()
		if err != nil {
			return o, fmt.Errorf("no folder for models: %w", err)
		}
		o.Dir = dir
	}
	return o, nil
}
