package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/spf13/pflag"
)

const (
	helpWidth  = 80
	helpIndent = 26 // where the explanations of flags begin
	noBreak    = "\u00a0"
)

// runHelp is `infer help [command or topic]`.
func runHelp(s *streams, args []string) error {
	text := ""
	switch {
	case len(args) == 0 || args[0] == "-h" || args[0] == "--help" || args[0] == helpName:
		text = complete(generateCommand()).help()
	case len(args) > 2 || len(args) == 2 && args[0] != benchName && args[0] != cacheName:
		return unexpected(args[1:])
	default:
		text = helpOn(args)
	}
	if text == "" {
		name := strings.Join(args, " ")
		words := append(commandNames(), complete(generateCommand()).topics()...)
		for _, c := range benchCommand().below {
			words = append(words, c.name)
		}
		if m := suggest(name, words); m != "" {
			return usagef("no help on %q (did you mean %s?)", name, m)
		}
		return usagef("no help on %q", name)
	}
	_, err := io.WriteString(s.out, text)
	return err
}

// helpOn returns the help on a command or a topic, "" where there is none.
func helpOn(args []string) string {
	for _, c := range subcommands() {
		if c.name == args[0] {
			if c, rest := c.find(args[1:]); len(rest) == 0 {
				return complete(c).help()
			}
			return ""
		}
	}
	return complete(generateCommand()).topicHelp(args[0])
}

// complete adds the flags that every command has.
func complete(c *command) *command {
	c.flags.BoolP("help", "h", false, "show this help")
	if c.name == "" {
		c.flags.Bool("version", false, "show the version")
	}
	return c
}

// help is what --help prints.
func (c *command) help() string {
	c.flags.collect()
	var b strings.Builder
	full := strings.TrimSpace("infer " + c.name)
	if c.about != "" {
		b.WriteString(wrap(c.about, 0) + "\n\n")
	}
	b.WriteString("Usage:\n")
	for _, s := range c.synopsis {
		fmt.Fprintf(&b, "  %s\n", strings.TrimSpace(full+" "+s))
	}
	if c.name == "" {
		b.WriteString("  infer COMMAND [flags]\n\nCommands:\n")
		for _, sub := range subcommands() {
			fmt.Fprintf(&b, "  %-12s %s\n", sub.name, sub.summary)
		}
		fmt.Fprintf(&b, "  %-12s %s\n", helpName, "help on a command, or on "+strings.Join(c.topics(), " or "))
	}
	if len(c.below) > 0 {
		b.WriteString("\nExperiments:\n")
		for i, name := range c.belowNames() {
			fmt.Fprintf(&b, "  %-12s %s\n", name, c.below[i].summary)
		}
	}
	for _, g := range c.flags.groups {
		if g.topic == "" {
			b.WriteString(g.help())
		}
	}
	if c.name == "" {
		b.WriteString("\nExit codes:\n")
		for _, e := range exitCodes {
			fmt.Fprintf(&b, "  %-6s %s\n", e.code, strings.TrimSpace(wrap(e.meaning, 9)))
		}
	}
	if len(c.examples) > 0 {
		b.WriteString("\nExamples:\n")
		for i := 0; i+1 < len(c.examples); i += 2 {
			fmt.Fprintf(&b, "  %s\n      %s\n", c.examples[i], strings.TrimSpace(wrap(c.examples[i+1], 6)))
		}
	}
	return b.String()
}

// topics are the subjects whose flags have a help of their own.
func (c *command) topics() []string {
	var names []string
	for _, g := range c.flags.groups {
		if g.topic != "" && (len(names) == 0 || names[len(names)-1] != g.topic) {
			names = append(names, g.topic)
		}
	}
	return names
}

func (c *command) topicHelp(topic string) string {
	c.flags.collect()
	var b strings.Builder
	for _, g := range c.flags.groups {
		if g.topic == topic {
			b.WriteString(g.help())
		}
	}
	return strings.TrimPrefix(b.String(), "\n")
}

func (g flagGroup) help() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s:\n", g.title)
	for _, fl := range g.flags {
		if !fl.Hidden {
			b.WriteString(flagHelp(fl))
		}
	}
	return b.String()
}

// flagHelp is the line or lines of one flag.
func flagHelp(fl *pflag.Flag) string {
	left := "      --" + fl.Name
	if fl.Shorthand != "" {
		left = "  -" + fl.Shorthand + ", --" + fl.Name
	}
	kind, usage := pflag.UnquoteUsage(fl)
	if kind != "" && fl.NoOptDefVal == "" {
		left += " " + kind
	}
	if d := fl.DefValue; d != "" && d != "false" && fl.Value.Type() != "count" && !strings.Contains(usage, "default") {
		d = "default" + noBreak + d + ")"
		if open, ok := strings.CutSuffix(usage, ")"); ok {
			usage = open + "; " + d
		} else {
			usage += " (" + d
		}
	}
	right := wrap(usage, helpIndent)
	width := utf8.RuneCountInString(left)
	if width > helpIndent-1 {
		return left + "\n" + right + "\n"
	}
	return left + right[width:] + "\n"
}

// wrap breaks text into lines of helpWidth columns, all indented. Lines of text
// that begin with a space stay as they are.
func wrap(text string, indent int) string { return wrapTo(helpWidth, text, indent) }

// wrapTo is wrap for other widths. A word that is longer stands in a line of its own.
func wrapTo(width int, text string, indent int) string {
	pad := strings.Repeat(" ", indent)
	var lines []string
	for _, paragraph := range strings.Split(text, "\n") {
		if paragraph == "" || paragraph[0] == ' ' {
			lines = append(lines, strings.TrimRight(pad+paragraph, " "))
			continue
		}
		line := ""
		for _, word := range strings.Split(paragraph, " ") {
			if line != "" && indent+utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
				lines = append(lines, pad+line)
				line = ""
			}
			if line != "" {
				line += " "
			}
			line += word
		}
		lines = append(lines, pad+line)
	}
	return strings.ReplaceAll(strings.Join(lines, "\n"), noBreak, " ")
}
