package texts

import (
	"strings"
	"unicode/utf8"
)

// NoBreak is a space at which Wrap does not break a line. Wrap replaces it by an ordinary space.
const NoBreak = "\u00a0"

// Wrap wraps text at the given number of columns and indents all lines. Lines that begin with a
// space are not wrapped. A word that is longer than a line gets its own line.
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
