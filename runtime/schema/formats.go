package schema

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/seed7adf6694/infer/internal/words"
)

// Regular expressions of formats. They are narrower than some standards, so that all validators accept
// what they match.
var formatPatterns = sync.OnceValue(func() map[string]string {
	const (
		leapYear = `(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)`
		date     = `(?:[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))|` + leapYear + `-02-29)`
		time     = `(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])`
		label    = `[A-Za-z0-9](?:[A-Za-z0-9-]{0,38}[A-Za-z0-9])?`
		host     = label + `(?:\.` + label + `){0,5}`
		octet    = `(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])`
		ipv4     = octet + `(?:\.` + octet + `){3}`
		atom     = `[A-Za-z0-9_+-]{1,20}`
		char     = `(?:[A-Za-z0-9._~!$&'()*+,;=@-]|%[0-9A-Fa-f]{2})` // of a URI's path, without a colon
		path     = `(?:/(?:` + char + `|:)*)*`
		tail     = `(?:\?(?:` + char + `|[:/?])*)?(?:#(?:` + char + `|[:/?])*)?`
		absolute = `[A-Za-z][A-Za-z0-9+.-]{0,19}:(?://` + host + `(?::[0-9]{1,4})?` + path + `|` + char + `(?:` + char + `|[:/])*)` + tail
	)
	return map[string]string{
		"date":                  date,
		"time":                  time,
		"date-time":             date + "T" + time,
		"duration":              `P(?:[0-9]{1,4}W|(?:[0-9]{1,4}Y(?:[0-9]{1,4}M(?:[0-9]{1,4}D)?)?|[0-9]{1,4}M(?:[0-9]{1,4}D)?|[0-9]{1,4}D)(?:T` + clockPart + `)?|T` + clockPart + `)`,
		"uuid":                  `[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}`,
		"email":                 atom + `(?:\.` + atom + `){0,2}@` + label + `(?:\.` + label + `){1,3}`,
		"hostname":              host,
		"ipv4":                  ipv4,
		"ipv6":                  ipv6Pattern(),
		"uri":                   absolute,
		"uri-reference":         absolute + `|` + path + tail + `|` + char + `+` + path + tail,
		"json-pointer":          `(?:/(?:[^~/]|~[01])*)*`,
		"relative-json-pointer": `(?:0|[1-9][0-9]{0,8})(?:#|(?:/(?:[^~/]|~[01])*)*)`,
	}
})

const clockPart = `(?:[0-9]{1,4}H(?:[0-9]{1,4}M(?:[0-9]{1,4}S)?)?|[0-9]{1,4}M(?:[0-9]{1,4}S)?|[0-9]{1,4}S)`

// ipv6Pattern matches eight groups, of which :: may stand for some.
func ipv6Pattern() string {
	const group = `[0-9a-fA-F]{1,4}`
	forms := []string{group + `(?::` + group + `){7}`, "::"}
	for before := range 8 {
		for after := range 8 - before {
			if before+after == 0 || before+after > 7 {
				continue
			}
			form := "::"
			if before > 0 {
				form = group + strings.Repeat(":"+group, before-1) + form
			}
			if after > 0 {
				form += group + strings.Repeat(":"+group, after-1)
			}
			forms = append(forms, form)
		}
	}
	return strings.Join(forms, "|")
}

// looseFormats say nothing that a grammar has to obey: of numbers, and of how a string is shown.
var looseFormats = []string{"float", "double", "int32", "int64", "password", "binary"}

// formatAutomaton returns what accepts the strings of a format; nil for one that is about no strings. pattern
// compiles regular expressions.
func formatAutomaton(name string, pattern func(string) (*automaton, error)) (*automaton, error) {
	if slices.Contains(looseFormats, name) {
		return nil, nil
	}
	p, ok := formatPatterns()[name]
	if !ok {
		var names []string
		for n := range formatPatterns() {
			names = append(names, n)
		}
		slices.Sort(names)
		return nil, fmt.Errorf("%s is unknown: use %s, or a pattern", words.Literal(name), words.Enumerate(names))
	}
	a, err := pattern("^(?:" + p + ")$")
	if err != nil || !strings.HasPrefix(name, "date") {
		return a, err
	}
	zero, err := pattern("^0000") // no year to most programs
	if err != nil {
		return nil, err
	}
	return without(a, zero)
}
