package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/seed7adf6694/infer/cmd/infer/internal/spellings"
	"github.com/seed7adf6694/infer/cmd/infer/internal/values"
	"github.com/seed7adf6694/infer/internal/words"
)

// flags is a flag set whose flags are grouped for the help.
type flags struct {
	*pflag.FlagSet
	groups []flagGroup
	topic  string // of the groups that follow
}

// flagGroup is a heading and the flags that were defined after it.
type flagGroup struct {
	title string
	topic string // shown by `infer help TOPIC` rather than by --help; may be empty
	flags []*pflag.Flag
}

func newFlags() *flags {
	fs := pflag.NewFlagSet("infer", pflag.ContinueOnError)
	fs.SortFlags = false
	fs.Usage = func() {}
	fs.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		name = dashes(name)
		if real, ok := spellings.Names[name]; ok {
			name = real
		}
		return pflag.NormalizedName(name)
	})
	return &flags{FlagSet: fs}
}

// group begins a group of flags.
func (f *flags) group(title string) {
	f.collect()
	f.groups = append(f.groups, flagGroup{title: title, topic: f.topic})
}

// collect adds the flags that belong to no group yet to the last group.
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
	f.VarP(values.Integer{P: p, Min: min, Max: max}, name, short, usage)
}

func (f *flags) decimal(p *float32, name string, def float32, min, max float64, usage string) {
	*p = def
	f.Var(values.Decimal{P: p, Min: min, Max: max}, name, usage)
}

func (f *flags) choice(p *string, name, short, def string, words []string, usage string) {
	*p = def
	f.VarP(values.Choice{P: p, Words: words}, name, short, usage)
}

func (f *flags) text(p *string, name, short, def, kind, usage string) {
	*p = def
	f.VarP(values.Text{P: p, Kind: kind}, name, short, usage)
}

func (f *flags) textOnce(p *string, name, short, kind, usage string) {
	f.VarP(values.OnceText{Text: values.Text{P: p, Kind: kind}, Given: new(bool)}, name, short, usage)
}

func (f *flags) parsed(name, short, kind, usage string, set func(string) error) {
	f.VarP(values.Parsed{Kind: kind, Read: set}, name, short, usage)
}

// dashes replaces underscores in a flag's name by dashes: llama.cpp accepts both.
func dashes(name string) string { return strings.ReplaceAll(name, "_", "-") }

// hide removes flags from the help and from suggestions.
func (f *flags) hide(names ...string) {
	for _, n := range names {
		f.Lookup(n).Hidden = true
	}
}

// parse parses the arguments of a command and returns those that are not flags.
func (c *command) parse(args []string) ([]string, error) {
	args, err := c.expand(args)
	if err != nil {
		return nil, err
	}
	if err := c.flags.Parse(args); err != nil {
		return nil, c.explain(err)
	}
	return c.flags.Args(), nil
}

// expand replaces spellings that pflag cannot define or would misread: see spellings.go. It walks
// the arguments in the same way as pflag, so that it never changes the value of a flag.
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
		arg, err := c.respell(arg, args[i+1:])
		if err != nil {
			return nil, err
		}
		if arg == "" {
			continue
		}
		out = append(out, arg)
		if c.takesNext(arg) && i+1 < len(args) {
			i++
			out = append(out, args[i])
		}
	}
	return out, nil
}

// respell returns a flag in the spelling for pflag, or "" for a flag without effect. next are the
// arguments after it.
func (c *command) respell(arg string, next []string) (string, error) {
	short, word := !strings.HasPrefix(arg, "--"), strings.TrimPrefix(arg[1:], "-")
	word, value, hasValue := strings.Cut(word, "=")
	if long := c.shorthand(word); short && long != "" {
		arg = "--" + long
		switch {
		case hasValue:
			arg += "=" + value
		case word == "fa" && c.flags.Lookup(long).Value.Type() != "LIST" && (len(next) == 0 || spellings.FlashValue(next[0]) == ""):
			arg += "=on" // llama.cpp's old spelling, without a value
		}
		return arg, nil
	}
	name := dashes(word)
	if !short && c.flags.Lookup(name) != nil || short && len(word) == 1 && c.flags.ShorthandLookup(word) != nil {
		return arg, nil
	}
	if c.flags.Lookup("model") != nil {
		if to, ok := spellings.Switches[name]; ok && !hasValue {
			long, _, _ := strings.Cut(strings.TrimPrefix(to, "--"), "=")
			if to == "" || c.flags.Lookup(long) != nil {
				return to, nil
			}
		}
		if say := spellings.InsteadOf(name); say != "" {
			return "", &usageError{text: flagAsTyped(arg) + ": " + say, alone: true}
		}
	}
	switch {
	case !short || len(word) == 1:
		return arg, nil
	case c.flags.Lookup(name) != nil:
		return "", usagef("unknown flag -%s (did you mean --%s?)", word, word)
	case spellings.Common[word] != "", word[0] == 'h' && !c.allSwitches(word):
		return "", c.unknownShort(word)
	}
	return arg, nil
}

// flagAsTyped returns a flag as typed, without its value.
func flagAsTyped(arg string) string {
	name, _, _ := strings.Cut(arg, "=")
	return name
}

// shorthand returns the flag that a word after one dash stands for, or "".
func (c *command) shorthand(word string) string {
	if long, ok := c.aliases[word]; ok {
		return long
	}
	if long := spellings.Common[word]; c.flags.Lookup(long) != nil && c.flags.Lookup(word) == nil {
		return long
	}
	return ""
}

// allSwitches reports whether each letter is a flag without a value.
func (c *command) allSwitches(letters string) bool {
	for i := range len(letters) {
		fl := c.flags.ShorthandLookup(letters[i : i+1])
		if fl == nil || fl.NoOptDefVal == "" {
			return false
		}
	}
	return true
}

// takesNext reports whether the next argument is the value of this flag.
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

// explain rewords an error of pflag and suggests similar flags.
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
		return usagef("%s %s: %s", flagName(invalid.GetFlag()), words.Quoted(invalid.GetValue()), reason)
	}
	return usagef("%s", err)
}

// flagName returns a flag's name for messages.
func flagName(fl *pflag.Flag) string {
	if fl.Shorthand != "" {
		return fmt.Sprintf("-%s/--%s", fl.Shorthand, fl.Name)
	}
	return "--" + fl.Name
}

func (c *command) unknownFlag(e *pflag.NotExistError) error {
	name := e.GetSpecifiedName()
	if cluster := e.GetSpecifiedShortnames(); cluster != "" {
		// -temp=0.5 or -promt: one dash is missing, or the name is misspelt.
		word, _, _ := strings.Cut(cluster, "=")
		return c.unknownShort(word)
	}
	if meant := otherWord(name); meant != "" && c.flags.Lookup(meant) != nil {
		return usagef("unknown flag --%s (did you mean --%s?)", name, meant)
	}
	if s := spellings.Suggest(name, c.flagNames()); s != "" {
		return usagef("unknown flag --%s (did you mean --%s?)", name, s)
	}
	return usagef("unknown flag --%s", name)
}

// unknownShort returns the error for an unknown word after one dash.
func (c *command) unknownShort(word string) error {
	if s := spellings.Suggest(word, c.flagNames()); len(word) > 2 && s != "" {
		return usagef("unknown flag -%s (did you mean --%s?)", word, s)
	}
	return usagef("unknown flag -%s", word)
}

// otherWord returns this program's name for a flag of another program, or "".
func otherWord(name string) string {
	return map[string]string{
		"max-tokens": "predict", "num-predict": "predict", "max-length": "predict",
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

// chunkFlag defines the flag for the chunk size.
func chunkFlag(f *flags, p *uint64) {
	f.Var(values.Size{P: p}, "chunk-size", "largest allocation or mapping (default 256MiB, or half the largest free block)")
}

// engineFlag defines the flag for the engine, which [execute] reads.
func engineFlag(f *flags) {
	f.text(new(string), engineName, "", "", "ENGINE", "the engine: builtin, the name or folder of one (see 'infer engine'), or auto for that of 'infer engine use' (default $INFER_ENGINE, or auto)")
}
