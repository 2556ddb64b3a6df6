package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/seed7adf6694/infer/cmd/infer/internal/texts"
	"github.com/seed7adf6694/infer/internal/files"
	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/packed"
	"github.com/seed7adf6694/infer/runtime"
)

const cacheName = "cache"

// cacheConfig holds the flags of `infer cache` and its subcommands.
type cacheConfig struct {
	flags *flags
	dir   string
	json  bool
}

func cacheCommand() *command {
	f := newFlags()
	return &command{
		name:     cacheName,
		summary:  "list or remove the packed files in the cache",
		synopsis: []string{"list [flags]", "clear [flags]"},
		about:    "Packed files (see 'infer pack') are kept in a folder and used in place of the models that they were made from. They can be removed at any time.",
		examples: []string{
			`infer -m model.gguf --packed require -p "..."`, "pack the model and use the packed file",
			`infer cache list`, "what is in the cache",
		},
		flags: f,
		below: []*command{cacheListCommand(), cacheClearCommand()},
		run: func(_ context.Context, _ *streams, args []string) error {
			if len(args) > 0 {
				return usagef("unknown command %s: want list or clear", words.Quoted(args[0]))
			}
			return usagef("want list or clear")
		},
	}
}

func newCacheConfig() *cacheConfig {
	f := newFlags()
	c := &cacheConfig{flags: f}
	f.group("Flags")
	f.text(&c.dir, "packed-cache", "", "", "DIR", "the folder (default $INFER_PACKED_CACHE, or infer/packed in the user's cache folder)")
	f.BoolVar(&c.json, "json", false, "print one JSON object")
	return c
}

func cacheListCommand() *command {
	c := newCacheConfig()
	return &command{
		name: cacheName + " list", summary: "list the packed files", synopsis: []string{"[flags]"},
		about: "Lists the packed files with their size, last use and source model.",
		flags: c.flags,
		run:   c.list,
	}
}

func cacheClearCommand() *command {
	c := newCacheConfig()
	return &command{
		name: cacheName + " clear", summary: "remove the packed files", synopsis: []string{"[flags]"},
		about: "Removes the packed files, and unfinished files of processes that were killed. Programs that have a packed file mapped keep it until they end; on Windows its space becomes free with the next clearing or packing after that.",
		flags: c.flags,
		run:   c.clear,
	}
}

// cachedFile is a packed file in the JSON output.
type cachedFile struct {
	Path  string    `json:"path"`
	Size  uint64    `json:"size_bytes"`
	Used  time.Time `json:"used"`
	Model string    `json:"model"` // "" where the file can't be read
}

// stored returns the cache and the files in it.
func (c *cacheConfig) stored(args []string) (*packed.Store, []packed.StoredFile, error) {
	if len(args) > 0 {
		return nil, nil, unexpected(args)
	}
	store, err := runtime.PackedCache(c.dir)
	if err != nil {
		return nil, nil, err
	}
	files, err := store.Files()
	return store, files, err
}

func (c *cacheConfig) list(_ context.Context, s *streams, args []string) error {
	store, stored, err := c.stored(args)
	if err != nil {
		return err
	}
	files, total := []cachedFile{}, uint64(0)
	for _, f := range stored {
		total += f.Size
		files = append(files, cachedFile{f.Path, f.Size, f.Used, packedFrom(f.Path)})
	}
	if c.json {
		return texts.WriteJSON(s.out, map[string]any{"folder": store.Dir(), "files": files, "total_bytes": total})
	}
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	for _, f := range files {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", texts.Visible(filepath.Base(f.Path), true), words.Size(f.Size), f.Used.Format(time.DateTime), texts.Visible(f.Model, true))
	}
	t.Flush()
	fmt.Fprintf(&b, "%s: %s, %s\n", texts.OneLine(store.Dir()), count(len(files), "packed file"), words.Size(total))
	_, err = s.out.Write([]byte(b.String()))
	return err
}

// packedFrom returns the source model of a packed file.
func packedFrom(path string) string {
	index, err := loader.OpenWith(path, loader.OpenOptions{SkipModel: true})
	if err != nil {
		return ""
	}
	defer index.Close()
	if p := index.Packed(); p != nil {
		return p.Source[0].Path
	}
	return ""
}

func (c *cacheConfig) clear(_ context.Context, s *streams, args []string) error {
	store, list, err := c.stored(args)
	if err != nil {
		return err
	}
	abandoned, freed := files.RemoveAbandoned(store.Dir())
	inUse, kept := 0, uint64(0)
	var failed []error
	for _, f := range list {
		switch err := store.Remove(f.Path); {
		case err == nil:
			freed += f.Size
		case errors.Is(err, loader.ErrFileInUse):
			inUse, kept = inUse+1, kept+f.Size
		default:
			failed = append(failed, err)
		}
	}
	if err := errors.Join(failed...); err != nil {
		return err
	}
	removed := len(list) - inUse
	if c.json {
		return texts.WriteJSON(s.out, map[string]any{"folder": store.Dir(), "removed": removed, "unfinished": abandoned, "freed_bytes": freed, "in_use": inUse, "in_use_bytes": kept})
	}
	if inUse > 0 {
		fmt.Fprintf(s.err, "infer: %s in use by other programs, %s: run 'infer cache clear' again when they have ended\n",
			count(inUse, "packed file"), words.Size(kept))
	}
	unfinished := ""
	if abandoned > 0 {
		unfinished = " and " + count(abandoned, "unfinished file")
	}
	_, err = fmt.Fprintf(s.out, "%s: removed %s%s, %s\n", texts.OneLine(store.Dir()), count(removed, "packed file"), unfinished, words.Size(freed))
	return err
}
