package main

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/seed7adf6694/infer/benchmarks"
	"github.com/seed7adf6694/infer/cmd/infer/internal/spellings"
	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/runtime/engine"
)

// streams are a command's input and outputs. Errors of writing to out are an *outputError.
type streams struct {
	in  io.Reader
	out io.Writer
	err io.Writer

	json   bool // --json was given: errors are JSON objects
	engine engineUse
}

// command is a command, `infer NAME`. A value is used for one run.
type command struct {
	name     string   // empty for generate
	synopsis []string // usage after the name, one per form
	summary  string   // one line for the list of commands
	about    string   // for the command's own help
	examples []string // command, explanation, command, explanation, …
	flags    *flags
	aliases  spellings.Shorthands // additional spellings beside llama.cpp's
	below    []*command           // subcommands
	silent   bool                 // writes to files only, not to standard output
	run      func(ctx context.Context, s *streams, args []string) error
}

// subcommands returns new values of all commands, in the order of the help.
func subcommands() []*command {
	return []*command{
		chatCommand(),
		serveCommand(),
		pullCommand(),
		listCommand(),
		planCommand(),
		embedCommand(),
		rerankCommand(),
		tokenizeCommand(),
		inspectCommand(),
		probeCommand(),
		quantizeCommand(),
		packCommand(),
		checkCommand(),
		cacheCommand(),
		engineCommand(),
		synthesizeCommand(),
		perplexityCommand(),
		benchCommand(),
		versionCommand(),
	}
}

// helpName is the command that needs the list of the others.
const helpName = "help"

// run is the whole program except for signals. It returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	out := &checkedWriter{w: stdout}
	s := &streams{in: stdin, out: out, err: stderr}
	err := dispatch(ctx, s, args)
	if err == nil {
		err = out.err // the command may have ignored it
	}
	return report(ctx, err, stderr, s.json)
}

func dispatch(ctx context.Context, s *streams, args []string) error {
	s.json = slices.Contains(args, "--json")
	if len(args) == 0 || strings.HasPrefix(args[0], "-") {
		return execute(ctx, s, generateCommand(), args)
	}
	name, rest := args[0], args[1:]
	switch name {
	case helpName:
		return runHelp(s, rest)
	case benchmarks.ChildArgument:
		return runBenchChild(ctx, s)
	case trialArgument:
		return engine.Trial(ctx, s.in, s.out)
	}
	for _, c := range subcommands() {
		if c.name == name {
			c, rest := c.find(rest)
			return execute(ctx, s, c, rest)
		}
	}
	return unknownCommand(name)
}

// execute parses a command's arguments and runs it.
func execute(ctx context.Context, s *streams, c *command, args []string) error {
	showHelp := c.flags.BoolP("help", "h", false, "show this help")
	showVersion := new(bool)
	if c.name == "" {
		showVersion = c.flags.Bool("version", false, "show the version")
	}
	args, err := c.parse(args)
	if fl := c.flags.Lookup("json"); err == nil && fl != nil {
		s.json = fl.Value.String() == "true"
	}
	switch {
	// --help works even if the other arguments are wrong.
	case *showHelp || errors.Is(err, pflag.ErrHelp):
		_, err = io.WriteString(s.out, c.help(helpColumns(s.out)))
		return err
	case *showVersion:
		c = versionCommand()
		if err = s.useEngine(ctx, c.flags); err == nil {
			err = c.run(ctx, s, nil)
		}
		return err
	case err == nil:
		if !c.silent {
			err = s.lost() // fail before the work, not after it
		}
		if err == nil {
			err = s.useEngine(ctx, c.flags)
		}
		if err == nil {
			err = c.run(ctx, s, args)
		}
	}
	var usage *usageError
	if errors.As(err, &usage) && usage.help == "" && c.name != "" {
		usage.help = "infer " + c.name + " --help"
	}
	return err
}

func commandNames() []string {
	var names []string
	for _, c := range subcommands() {
		names = append(names, c.name)
	}
	return append(names, helpName)
}

// unknownCommand returns the error for a first argument that is not a command.
func unknownCommand(name string) error {
	if s := spellings.Suggest(name, commandNames()); s != "" {
		return usagef("unknown command %s (did you mean %s?)", words.Quoted(name), s)
	}
	if info, err := os.Stat(name); err == nil {
		if info.IsDir() || strings.HasSuffix(name, ".gguf") {
			return usagef("unknown command %s: a model is given with -m %s", words.Quoted(name), name)
		}
		return usagef("unknown command %s: a prompt in a file is given with -f %s", words.Quoted(name), name)
	}
	return usagef("unknown command %s: a prompt is given with -p, in quotes", words.Quoted(name))
}

// modelArgument reads the optional argument that replaces --model.
func modelArgument(f *flags, model *string, args []string) error {
	switch {
	case len(args) > 1:
		return unexpected(args[1:])
	case len(args) == 1 && f.Changed("model"):
		return usagef("the model is given twice: as an argument and by --model")
	case len(args) == 1 && args[0] == "":
		return usagef("the model's name is empty: omit it for the embedded model")
	case len(args) == 1:
		*model = args[0]
	}
	return nil
}

// unexpected returns the error for arguments of a command that takes none.
func unexpected(args []string) error {
	if slices.Contains(commandNames(), args[0]) {
		return usagef("unexpected argument %s: put the command first, as in 'infer %s …'", words.Quoted(args[0]), args[0])
	}
	return usagef("unexpected argument %s", words.Quoted(args[0]))
}
