package pull

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"

	"github.com/seed7adf6694/infer/models"
)

// Bounds on the list of a repository's files.
const (
	maxListing = 16 << 20 // bytes of a page
	maxPages   = 50
)

// entry is a file of a repository, as its server lists it.
type entry struct {
	Type string `json:"type"`
	Path string `json:"path"`
	Size uint64 `json:"size"`
	LFS  *struct {
		OID  string `json:"oid"` // SHA-256
		Size uint64 `json:"size"`
	} `json:"lfs"`
}

// repository returns the files of a model in a repository.
func (p *puller) repository(r models.Repo) ([]remote, error) {
	entries, err := p.listing(r)
	if err != nil {
		return nil, err
	}
	byPath := map[string]entry{}
	var paths []string
	for _, e := range entries {
		if e.Type == "file" && models.IsRepoPath(e.Path) {
			byPath[e.Path] = e
			paths = append(paths, e.Path)
		}
	}
	chosen, err := r.Select(paths)
	if err != nil {
		return nil, err
	}
	var list []remote
	for _, name := range chosen {
		e := byPath[name]
		f := remote{
			url:  p.endpoint.JoinPath(append([]string{r.Org, r.Name, "resolve", "main"}, strings.Split(name, "/")...)...),
			path: filepath.Join(p.o.Dir, r.Org, r.Name, filepath.FromSlash(name)), size: e.Size,
		}
		if e.LFS != nil {
			f.size, f.sha256 = e.LFS.Size, strings.ToLower(strings.TrimPrefix(e.LFS.OID, "sha256:"))
		}
		list = append(list, f)
	}
	return list, nil
}

// listing returns all files of a repository.
func (p *puller) listing(r models.Repo) (entries []entry, err error) {
	u := p.endpoint.JoinPath("api", "models", r.Org, r.Name, "tree", "main")
	u.RawQuery = "recursive=true"
	for range maxPages {
		var page []entry
		next := ""
		err := p.retry(func() error {
			a, err := p.get(u, nil, nil)
			var e *DownloadError
			if errors.As(err, &e) && e.Status == http.StatusNotFound {
				e.Err = fmt.Errorf("status 404: there is no repository %s/%s", r.Org, r.Name)
			}
			if err != nil {
				return err
			}
			defer a.Close()
			data, err := io.ReadAll(io.LimitReader(a, maxListing+1))
			if err != nil {
				return err
			}
			if len(data) > maxListing {
				return &DownloadError{URL: u.Redacted(), Err: fmt.Errorf("the list of files has more than %d bytes", maxListing)}
			}
			page = nil
			if err := json.Unmarshal(data, &page); err != nil {
				return &DownloadError{URL: u.Redacted(), Status: a.StatusCode, Err: fmt.Errorf("the answer is no list of files: %w", err)}
			}
			next = nextPage(a.Header.Get("Link"))
			return nil
		}, func() uint64 { return 0 })
		if err != nil {
			return nil, err
		}
		if entries = append(entries, page...); next == "" {
			return entries, nil
		}
		to, err := u.Parse(next)
		if err != nil || to.Host != u.Host || to.Scheme != u.Scheme {
			return nil, &DownloadError{URL: u.Redacted(), Err: fmt.Errorf("the list of files goes on at another host")}
		}
		u = to
	}
	return nil, &DownloadError{URL: u.Redacted(), Err: fmt.Errorf("the list of files has more than %d pages", maxPages)}
}

// nextPage reads the address of the next page from a header Link.
func nextPage(link string) string {
	for _, part := range strings.Split(link, ",") {
		address, rest, ok := strings.Cut(part, ">")
		if ok && strings.Contains(rest, `rel="next"`) {
			return strings.TrimPrefix(strings.TrimSpace(address), "<")
		}
	}
	return ""
}
