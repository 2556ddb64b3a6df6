package main

import (
	"context"

	"github.com/seed7adf6694/infer/benchmarks"
)

func showCommand() *command {
	f := newFlags()
	c := &benchConfig{flags: f}
	f.group("Flags")
	c.reportFlags(f)
	return &command{
		name:     benchName + " show",
		summary:  "tables and plots of what --out wrote",
		synopsis: []string{"[flags] FILE ..."},
		about:    "Shows the latest run of each experiment in files that --out wrote.",
		examples: []string{
			`infer bench show p.jsonl -o md --plot p.svg`, "for a page",
			`infer bench show new.jsonl --against old.jsonl`, "two runs against each other",
		},
		flags: f,
		run: func(_ context.Context, s *streams, args []string) error {
			if len(args) == 0 {
				return usagef("no file to show")
			}
			if err := c.checkFiles(); err != nil {
				return err
			}
			earlier, err := c.earlier()
			if err != nil {
				return err
			}
			var all benchmarks.Results
			for _, path := range args {
				rs, err := readResults(path)
				if err != nil {
					return err
				}
				all = append(all, rs...)
			}
			return c.show(s, all.Latest(), earlier)
		},
	}
}
