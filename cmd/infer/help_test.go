package main

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/seed7adf6694/infer/cmd/infer/internal/texts"
)

// helps are all pages of the help, by what is asked for.
func helps(width int) map[string]string {
	generate := complete(generateCommand())
	pages := map[string]string{"": generate.help(width)}
	for _, topic := range generate.topics() {
		pages[topic] = complete(generateCommand()).topicHelp(topic, width)
	}
	for _, c := range subcommands() {
		for _, below := range c.below {
			pages[below.name] = complete(below).help(width)
		}
		pages[c.name] = complete(c).help(width)
	}
	return pages
}

func TestHelpFitsNarrowTerminals(t *testing.T) {
	words := func(page string) string {
		return strings.Join(strings.Fields(strings.ReplaceAll(page, " \\\n", " ")), "")
	}
	wide := helps(1000)
	for _, width := range []int{40, 41, 47, 59, 60, 72, 80, 100} {
		t.Run(fmt.Sprint(width), func(t *testing.T) {
			for name, page := range helps(width) {
				for line := range strings.Lines(page) {
					line = strings.TrimSuffix(line, "\n")
					if n := utf8.RuneCountInString(line); n > width || strings.TrimRight(line, " ") != line || strings.Contains(line, texts.NoBreak) {
						t.Errorf("%q: %d columns: %q", name, n, line)
					}
				}
				if words(page) != words(wide[name]) {
					t.Errorf("%q says other things than in wide lines:\n%s", name, page)
				}
			}
		})
	}
}

func TestWrapCommand(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"infer -p x", "infer -p x"},
		{`infer -p "Once upon a time" -n 100 --temp 0`, "infer -p \"Once upon a time\" -n \\\n      100 --temp 0"},
		{`infer plan --json | jq '.modes[] | {mode, fits}'`, "infer plan --json | jq \\\n      '.modes[] | {mode, fits}'"},
	} {
		if got := wrapCommand(34, tt.in, 2); got != tt.want {
			t.Errorf("%s:\n%s\nwant\n%s", tt.in, got, tt.want)
		}
	}
}
