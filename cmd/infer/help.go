package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/pflag"

	"github.com/seed7adf6694/infer/cmd/infer/internal/spellings"
	"github.com/seed7adf6694/infer/cmd/infer/internal/texts"
	"github.com/seed7adf6694/infer/internal/words"
)

const (
	helpWidth    = 80 // if standard output is not a terminal
	minHelpWidth = 40
)

// flagIndent is the column where the explanations of flags begin, beside the flags or below them.
func flagIndent(width int) int {
	if width < 60 {
		return 8
	}
	return 26
}

// runHelp is `infer help [command or topic]`.
func runHelp(s *streams, args []string) error {
	text, width := "", helpColumns(s.out)
	switch {
	case len(args) == 0 || args[0] == "-h" || args[0] == "--help" || args[0] == helpName:
		text = complete(generateCommand()).help(width)
	case len(args) > 2 || len(args) == 2 && !hasBelow(args[0]):
		return unexpected(args[1:])
	default:
		text = helpOn(args, width)
	}
	if text == "" {
		name := strings.Join(args, " ")
		known := append(commandNames(), complete(generateCommand()).topics()...)
		for _, c := range benchCommand().below {
			known = append(known, c.name)
		}
		if m := spellings.Suggest(name, known); m != "" {
			return usagef("no help on %s (did you mean %s?)", words.Quoted(name), m)
		}
		return usagef("no help on %s", words.Quoted(name))
	}
	_, err := io.WriteString(s.out, text)
	return err
}

// hasBelow reports whether a command has subcommands.
func hasBelow(name string) bool {
	return slices.ContainsFunc(subcommands(), func(c *command) bool { return c.name == name && c.below != nil })
}

// helpOn returns the help on a command or a topic, or "".
func helpOn(args []string, width int) string {
	for _, c := range subcommands() {
		if c.name == args[0] {
			if c, rest := c.find(args[1:]); len(rest) == 0 {
				return complete(c).help(width)
			}
			return ""
		}
	}
	return complete(generateCommand()).topicHelp(args[0], width)
}

// complete adds the flags that all commands share.
func complete(c *command) *command {
	c.flags.BoolP("help", "h", false, "show this help")
	if c.name == "" {
		c.flags.Bool("version", false, "show the version")
	}
	return c
}

// helpColumns returns the width of the help: that of the terminal.
func helpColumns(out any) int { return max(outputWidth(out), minHelpWidth) }

// help returns the text of --help, wrapped at the given number of columns.
func (c *command) help(width int) string {
	c.flags.collect()
	var b strings.Builder
	full := strings.TrimSpace("infer " + c.name)
	if c.about != "" {
		b.WriteString(texts.Wrap(width, c.about, 0) + "\n\n")
	}
	b.WriteString("Usage:\n")
	for _, s := range c.synopsis {
		b.WriteString(hanging(width, "  ", 6, strings.TrimSpace(full+" "+s)))
	}
	if c.name == "" {
		b.WriteString("  infer COMMAND [flags]\n\nCommands:\n")
		for _, sub := range subcommands() {
			b.WriteString(hanging(width, fmt.Sprintf("  %-12s ", sub.name), 15, sub.summary))
		}
		b.WriteString(hanging(width, fmt.Sprintf("  %-12s ", helpName), 15, "help on a command, or on "+strings.Join(c.topics(), " or ")))
	}
	if len(c.below) > 0 {
		title := "Commands"
		if c.name == benchName {
			title = "Experiments"
		}
		b.WriteString("\n" + title + ":\n")
		for i, name := range c.belowNames() {
			b.WriteString(hanging(width, fmt.Sprintf("  %-12s ", name), 15, c.below[i].summary))
		}
	}
	for _, g := range c.flags.groups {
		if g.topic == "" {
			b.WriteString(g.help(width))
		}
	}
	if c.name == "" {
		b.WriteString("\nExit codes:\n")
		for _, e := range exitCodes {
			b.WriteString(hanging(width, fmt.Sprintf("  %-6s ", e.code), 9, e.meaning))
		}
	}
	if len(c.examples) > 0 {
		b.WriteString("\nExamples:\n")
		for i := 0; i+1 < len(c.examples); i += 2 {
			b.WriteString("  " + wrapCommand(width, c.examples[i], 2) + "\n" + hanging(width, "      ", 6, c.examples[i+1]))
		}
	}
	return b.String()
}

// topics returns the topics of the help, whose flags --help does not list.
func (c *command) topics() []string {
	var names []string
	for _, g := range c.flags.groups {
		if g.topic != "" && (len(names) == 0 || names[len(names)-1] != g.topic) {
			names = append(names, g.topic)
		}
	}
	return names
}

func (c *command) topicHelp(topic string, width int) string {
	c.flags.collect()
	var b strings.Builder
	for _, g := range c.flags.groups {
		if g.topic == topic {
			b.WriteString(g.help(width))
		}
	}
	return strings.TrimPrefix(b.String(), "\n")
}

func (g flagGroup) help(width int) string {
	var b strings.Builder
	b.WriteString("\n" + texts.Wrap(width, g.title+":", 0) + "\n")
	for _, fl := range g.flags {
		if !fl.Hidden {
			b.WriteString(flagHelp(fl, width))
		}
	}
	return b.String()
}

// hanging writes a paragraph after a heading, with the further lines indented.
func hanging(width int, heading string, indent int, text string) string {
	if over := utf8.RuneCountInString(heading) - indent; over > 0 { // the heading shortens the first line
		text = strings.Repeat(texts.NoBreak, over) + text
		text = strings.TrimLeft(texts.Wrap(width, text, indent), " ")
		return heading + text + "\n"
	}
	return heading + strings.TrimLeft(texts.Wrap(width, text, indent), " ") + "\n"
}

// wrapCommand wraps a command line between words, so that a shell still reads it as one.
func wrapCommand(width int, text string, indent int) string {
	var b strings.Builder
	column := indent
	for i, word := range shellWords(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case column+1+n+len(" \\") > width:
			b.WriteString(" \\\n" + strings.Repeat(" ", indent+4))
			column = indent + 4
		default:
			b.WriteString(" ")
			column++
		}
		if column+n > width { // a quoted program, to which a line end is a space
			word = strings.TrimLeft(texts.Wrap(width, word, indent+4), " ")
		}
		b.WriteString(word)
		column += n
	}
	return b.String()
}

// shellWords splits a command line at spaces outside quotes.
func shellWords(text string) (known []string) {
	word, quote := "", ""
	for _, part := range strings.Split(text, " ") {
		if quote != "" {
			word += " "
		}
		word += part
		for _, r := range part {
			switch c := string(r); {
			case quote == "" && strings.Contains("'\"", c):
				quote = c
			case c == quote:
				quote = ""
			}
		}
		if quote == "" {
			known, word = append(known, word), ""
		}
	}
	return known
}

// flagHelp returns the help on one flag, in one or more lines.
func flagHelp(fl *pflag.Flag, width int) string {
	indent := flagIndent(width)
	left := "      --" + fl.Name
	if fl.Shorthand != "" {
		left = "  -" + fl.Shorthand + ", --" + fl.Name
	}
	if indent < 10 { // long names need not be aligned
		left = "  " + strings.TrimLeft(left, " ")
	}
	kind, usage := pflag.UnquoteUsage(fl)
	if kind != "" && fl.NoOptDefVal == "" {
		left += " " + kind
	}
	left = wrapAfter(width, left, "|", indent)
	if d := fl.DefValue; d != "" && d != "false" && fl.Value.Type() != "count" && !strings.Contains(usage, "default") {
		d = "default" + texts.NoBreak + d + ")"
		if open, ok := strings.CutSuffix(usage, ")"); ok {
			usage = open + "; " + d
		} else {
			usage += " (" + d
		}
	}
	right := texts.Wrap(width, usage, indent)
	n := utf8.RuneCountInString(left)
	if n > indent-1 {
		return left + "\n" + right + "\n"
	}
	return left + right[n:] + "\n"
}

// wrapAfter wraps a text that is too long for a line after a separator.
func wrapAfter(width int, text, mark string, indent int) string {
	var b strings.Builder
	column := 0
	for _, part := range strings.SplitAfter(text, mark) {
		n := utf8.RuneCountInString(part)
		if column > 0 && column+n > width {
			b.WriteString("\n" + strings.Repeat(" ", indent))
			column = indent
		}
		b.WriteString(part)
		column += n
	}
	return b.String()
}
