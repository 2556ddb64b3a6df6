package texts

import (
	"strings"
	"unicode/utf8"
)

// NoBreak is a space at which no line is broken; it becomes one of the others.
const NoBreak = "\u00a0"

// Wrap breaks text into lines of so many columns, all indented. Lines of text that
// begin with a space stay as they are. A word that is longer stands in a line of its own.
func Wrap(width int, text string, indent int) string {
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
	return strings.ReplaceAll(strings.Join(lines, "\n"), NoBreak, " ")
}
