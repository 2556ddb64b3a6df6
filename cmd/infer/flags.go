package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
)

// flags is a flag set in groups, for the help.
type flags struct {
	*pflag.FlagSet
	groups []flagGroup
	topic  string // of the groups that follow
}

// flagGroup is a heading and the flags defined after it.
type flagGroup struct {
	title string
	topic string // shown by `infer help TOPIC` rather than by --help; may be empty
	flags []*pflag.Flag
}

func newFlags() *flags {
	fs := pflag.NewFlagSet("infer", pflag.ContinueOnError)
	fs.SortFlags = false
	fs.Usage = func() {}
	return &flags{FlagSet: fs}
}

// group begins a group of flags.
func (f *flags) group(title string) {
	f.collect()
	f.groups = append(f.groups, flagGroup{title: title, topic: f.topic})
}

// collect puts flags that belong to no group yet into the last one.
func (f *flags) collect() {
	seen := map[*pflag.Flag]bool{}
	for _, g := range f.groups {
		for _, fl := range g.flags {
			seen[fl] = true
		}
	}
	f.VisitAll(func(fl *pflag.Flag) {
		if seen[fl] || len(f.groups) == 0 {
			return
		}
		last := &f.groups[len(f.groups)-1]
		last.flags = append(last.flags, fl)
	})
}

func (f *flags) integer(p *int, name, short string, def, min, max int, usage string) {
	*p = def
	f.VarP(integer{p, min, max}, name, short, usage)
}

func (f *flags) decimal(p *float32, name string, def float32, min, max float64, usage string) {
	*p = def
	f.Var(decimal{p: p, min: min, max: max}, name, usage)
}

func (f *flags) choice(p *string, name, short, def string, words []string, usage string) {
	*p = def
	f.VarP(choice{p, words}, name, short, usage)
}

func (f *flags) text(p *string, name, short, def, kind, usage string) {
	*p = def
	f.VarP(text{p, kind}, name, short, usage)
}

func (f *flags) parsed(name, short, kind, usage string, set func(string) error) {
	f.VarP(parsed{kind, set}, name, short, usage)
}

// alias makes other names of flags known, and underscores for dashes.
func (f *flags) alias(names map[string]string) {
	f.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		name = strings.ReplaceAll(name, "_", "-")
		if real, ok := names[name]; ok {
			name = real
		}
		return pflag.NormalizedName(name)
	})
}

// hide leaves flags out of help and suggestions.
func (f *flags) hide(names ...string) {
	for _, n := range names {
		f.Lookup(n).Hidden = true
	}
}

// shorthands are llama.cpp's short flags of several letters, and what they stand for
// here. pflag would read -ngl 9 as -n gl.
type shorthands map[string]string

// parse reads the arguments of a command and returns those that are no flags.
func (c *command) parse(args []string) ([]string, error) {
	args, err := c.expand(args)
	if err == nil {
		err = c.flags.Parse(args)
	}
	if err != nil {
		return nil, c.explain(err)
	}
	return c.flags.Args(), nil
}

// expand replaces shorthands of several letters. It walks the arguments as pflag
// will, so that a flag's value is left alone whatever it looks like.
func (c *command) expand(args []string) ([]string, error) {
	out := make([]string, 0, len(args))
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			return append(out, args[i:]...), nil
		}
		if len(arg) < 2 || arg[0] != '-' {
			out = append(out, arg)
			continue
		}
		name, value, hasValue := strings.Cut(arg[1:], "=")
		if long, ok := c.aliases[name]; ok {
			arg = "--" + long
			switch {
			case hasValue:
				arg += "=" + value
			case name == "fa" && c.flags.Lookup(long).Value.Type() != "LIST" && (i+1 == len(args) || !slices.Contains(flashWords(), args[i+1])):
				arg += "=on" // as llama.cpp took it before it had a value
			}
		} else if arg[1] != '-' && len(name) > 1 && c.flags.Lookup(name) != nil {
			return nil, usagef("unknown flag -%s (did you mean --%s?)", name, name)
		}
		out = append(out, arg)
		if c.takesNext(arg) && i+1 < len(args) {
			i++
			out = append(out, args[i])
		}
	}
	return out, nil
}

// takesNext tells whether the argument after this one is its value.
func (c *command) takesNext(arg string) bool {
	if name, ok := strings.CutPrefix(arg, "--"); ok {
		fl := c.flags.Lookup(name)
		return fl != nil && fl.NoOptDefVal == ""
	}
	for i := 1; i < len(arg); i++ {
		fl := c.flags.ShorthandLookup(arg[i : i+1])
		if fl == nil {
			return false
		}
		if fl.NoOptDefVal == "" {
			return i == len(arg)-1
		}
	}
	return false
}

// explain puts an error of pflag into words and suggests what may have been meant.
func (c *command) explain(err error) error {
	var unknown *pflag.NotExistError
	var missing *pflag.ValueRequiredError
	var invalid *pflag.InvalidValueError
	switch {
	case errors.Is(err, pflag.ErrHelp):
		return err
	case errors.As(err, &unknown):
		return c.unknownFlag(unknown)
	case errors.As(err, &missing):
		return usagef("%s needs a value", flagName(missing.GetFlag()))
	case errors.As(err, &invalid):
		reason := invalid.Unwrap().Error()
		if errors.As(invalid, new(*strconv.NumError)) { // of a switch
			reason = "want true or false"
		}
		return usagef("%s %q: %s", flagName(invalid.GetFlag()), invalid.GetValue(), reason)
	}
	return usagef("%s", err)
}

// flagName is how a flag is called in messages.
func flagName(fl *pflag.Flag) string {
	if fl.Shorthand != "" {
		return fmt.Sprintf("-%s/--%s", fl.Shorthand, fl.Name)
	}
	return "--" + fl.Name
}

func (c *command) unknownFlag(e *pflag.NotExistError) error {
	name := e.GetSpecifiedName()
	if cluster := e.GetSpecifiedShortnames(); cluster != "" {
		// -temp=0.5 or -promt: one dash too few, and perhaps a typo.
		word, _, _ := strings.Cut(cluster, "=")
		if s := suggest(word, c.flagNames()); len(word) > 2 && s != "" {
			return usagef("unknown flag -%s (did you mean --%s?)", word, s)
		}
		return usagef("unknown flag -%s", word)
	}
	if meant := otherWord(name); meant != "" && c.flags.Lookup(meant) != nil {
		return usagef("unknown flag --%s (did you mean --%s?)", name, meant)
	}
	if s := suggest(name, c.flagNames()); s != "" {
		return usagef("unknown flag --%s (did you mean --%s?)", name, s)
	}
	return usagef("unknown flag --%s", name)
}

// otherWord is what another program's flag is called here, "" if unknown.
func otherWord(name string) string {
	return map[string]string{
		"temperature": "temp", "max-tokens": "predict", "num-predict": "predict", "max-length": "predict",
		"num-ctx": "ctx-size", "context": "ctx-size", "verbose-prompt": "echo", "input": "file", "out": "output",
		"silent": "quiet", "repetition-penalty": "repeat-penalty", "adapter": "lora",
	}[name]
}

func (c *command) flagNames() []string {
	var names []string
	c.flags.VisitAll(func(fl *pflag.Flag) {
		if !fl.Hidden {
			names = append(names, fl.Name)
		}
	})
	return names
}

// chunkFlag is the chunk size of a load.
func chunkFlag(f *flags, p *uint64) {
	f.Var(sizeValue{p}, "chunk-size", "largest piece of memory to ask for (default 256MiB, or half the largest free block)")
}
