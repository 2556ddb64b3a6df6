package pull

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/seed7adf6694/infer/internal/download"
	"github.com/seed7adf6694/infer/internal/files"
	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/models"
)

// puller is a call of [Pull].
type puller struct {
	ctx      context.Context
	o        Options
	endpoint *url.URL
	source   string
}

// remote is a file to download.
type remote struct {
	url    *url.URL
	path   string // where it goes
	size   uint64 // 0: unknown
	sha256 string // "": unknown
	byURL  bool   // another URL may have the same path
}

// Pull downloads a model, unless it is there, and returns where it is. Errors are a
// [*models.ChoiceError] where the source has no such model, [*DownloadError], [*ChecksumError], [*TakenError], [*SpaceError], a
// [*gguf.FormatError] for a file that is no model, those that wrap [ErrSource], and the system's. After
// an error, what came is kept for the next call, unless it is wrong. Pull is safe for concurrent use,
// also by several processes.
func Pull(ctx context.Context, source string, o Options) (Result, error) {
	o, err := o.withDefaults()
	if err != nil {
		return Result{}, err
	}
	p := &puller{ctx: ctx, o: o, source: source}
	var ok bool
	if p.endpoint, ok = download.ParseURL(strings.TrimSuffix(o.Endpoint, "/")); !ok {
		return Result{}, fmt.Errorf("%w: the endpoint %s is no URL of HTTP", ErrSource, words.Quoted(o.Endpoint))
	}
	list, err := p.files()
	if err != nil {
		return Result{}, err
	}
	if o.SHA256 != "" {
		if sum, err := hex.DecodeString(o.SHA256); err != nil || len(sum) != 32 {
			return Result{}, fmt.Errorf("%w: %s is no SHA-256: it has 64 hexadecimal digits", ErrSource, words.Quoted(o.SHA256))
		}
		if len(list) > 1 {
			return Result{}, fmt.Errorf("%w: one SHA-256 is given, for %d files", ErrSource, len(list))
		}
		list[0].sha256 = strings.ToLower(o.SHA256)
	}
	if err := p.checkSpace(list); err != nil {
		return Result{}, err
	}
	r := Result{Path: list[0].path}
	for i, f := range list {
		d := &transfer{puller: p, remote: f, index: i + 1, of: len(list)}
		if err := d.run(); err != nil {
			return Result{}, err
		}
		r.Files = append(r.Files, f.path)
		r.Bytes += d.size
		r.Downloaded += d.came
	}
	ix, err := gguf.Open(r.Path, gguf.Options{})
	if err != nil {
		return Result{}, err
	}
	return r, ix.Close()
}

// files returns the files of the source.
func (p *puller) files() ([]remote, error) {
	if repo, ok := models.ParseRepo(p.source); ok {
		return p.repository(repo)
	}
	u, ok := download.ParseURL(p.source)
	if !ok {
		return nil, fmt.Errorf("%w: %s: want org/repo, org/repo:TYPE or org/repo/FILE of Hugging Face, or an https URL of a GGUF file", ErrSource, words.Quoted(p.source))
	}
	name := path.Base(u.Path)
	switch {
	case !strings.HasSuffix(name, ".gguf") || !models.IsRepoPath(name):
		return nil, fmt.Errorf("%w: %s: a URL has to end with the name of a GGUF file", ErrSource, words.QuotePath(u.Redacted()))
	case u.Scheme != "https" && !isLoopback(u) && p.o.SHA256 == "":
		return nil, fmt.Errorf("%w: %s: without https, others can replace what comes: give the SHA-256 of the file", ErrSource, words.QuotePath(u.Redacted()))
	}
	// All shards are beside the first.
	var list []remote
	for _, n := range models.Shards(name) {
		shard := *u
		if n != name {
			shard.Path, shard.RawPath = strings.TrimSuffix(u.Path, name)+n, ""
		}
		list = append(list, remote{url: &shard, path: filepath.Join(p.o.Dir, n), byURL: true})
	}
	return list, nil
}

func isLoopback(u *url.URL) bool {
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// checkSpace compares what is missing with the free space.
func (p *puller) checkSpace(list []remote) error {
	need := uint64(0)
	for _, f := range list {
		if info, err := os.Stat(f.path); err == nil && uint64(info.Size()) == f.size {
			continue
		}
		have := uint64(0)
		if info, err := os.Stat(f.path + partial); err == nil {
			have = uint64(info.Size())
		}
		need += f.size - min(have, f.size)
	}
	return p.fits(need)
}

// fits returns an error if so many bytes do not fit on the disk.
func (p *puller) fits(need uint64) error {
	if err := os.MkdirAll(p.o.Dir, 0o755); err != nil {
		return err
	}
	free, err := diskFree(p.o.Dir)
	if errors.Is(err, errors.ErrUnsupported) || need == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	if need > free {
		return &SpaceError{Dir: p.o.Dir, Need: need, Free: free}
	}
	return nil
}

// diskFree is replaced by tests.
var diskFree = files.DiskFree

// errRedirect is the cause where a server leads to a place that is not followed.
var errRedirect = errors.New("the server redirects")

// get asks for a URL. The token goes to the endpoint alone, also behind redirects. onRedirect is called
// with each answer that leads elsewhere.
func (p *puller) get(u *url.URL, header http.Header, onRedirect func(*http.Response), accept ...int) (*download.Answer, error) {
	if header == nil {
		header = http.Header{}
	}
	trusted := func(u *url.URL) bool {
		return u.Host == p.endpoint.Host && u.Scheme == p.endpoint.Scheme && (u.Scheme == "https" || isLoopback(u))
	}
	if p.o.Token != "" && trusted(u) {
		header.Set("Authorization", "Bearer "+p.o.Token)
	}
	client := *p.o.Client
	client.CheckRedirect = func(next *http.Request, via []*http.Request) error {
		if len(via) >= 10 {
			return fmt.Errorf("%w more than 10 times", errRedirect)
		}
		if via[len(via)-1].URL.Scheme == "https" && next.URL.Scheme != "https" {
			return fmt.Errorf("%w from https to %s", errRedirect, next.URL.Scheme)
		}
		if !trusted(next.URL) {
			next.Header.Del("Authorization")
		}
		if onRedirect != nil && next.Response != nil {
			onRedirect(next.Response)
		}
		return nil
	}
	a, err := download.Get(p.ctx, download.Request{URL: u, Header: header, Client: &client, Stall: p.o.Stall, Accept: accept})
	var e *DownloadError
	if errors.As(err, &e) && (e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden) {
		why := "set HF_TOKEN to a token that may read it"
		if p.o.Token != "" && trusted(u) {
			why = "the token may not read it"
		}
		e.Err = fmt.Errorf("status %d %s: there is no such model, or %s", e.Status, http.StatusText(e.Status), why)
	}
	return a, err
}
