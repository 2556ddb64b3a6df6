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
)

// streams are where a command reads and writes. Writing to out fails with an
// *outputError.
type streams struct {
	in  io.Reader
	out io.Writer
	err io.Writer

	json bool // --json was given: errors are objects
}

// command is what `infer NAME` does. A command value serves one run.
type command struct {
	name     string   // empty for generating
	synopsis []string // what may follow the name
	summary  string   // one line, for the list of commands
	about    string   // for its own help
	examples []string // command, explanation, command, explanation, …
	flags    *flags
	aliases  spellings.Shorthands // beside llama.cpp's
	below    []*command           // what may follow the name, in place of arguments
	silent   bool                 // writes files, and nothing to standard output
	run      func(ctx context.Context, s *streams, args []string) error
}

// subcommands returns fresh commands, in the order of the help.
func subcommands() []*command {
	return []*command{
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
		synthesizeCommand(),
		perplexityCommand(),
		benchCommand(),
		versionCommand(),
	}
}

// helpName is the command that needs the others.
const helpName = "help"

// run is the whole program but for signals: it returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	out := &checkedWriter{w: stdout}
	s := &streams{in: stdin, out: out, err: stderr}
	err := dispatch(ctx, s, args)
	if err == nil {
		err = out.err // a command may not have looked
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
	// Whoever asks for help may have got the rest wrong.
	case *showHelp || errors.Is(err, pflag.ErrHelp):
		_, err = io.WriteString(s.out, c.help(helpColumns(s.out)))
		return err
	case *showVersion:
		return execute(ctx, s, versionCommand(), nil)
	case err == nil:
		if !c.silent {
			err = s.lost() // before the work rather than after it
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

// unknownCommand is the error of a first argument that is no command.
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

// modelArgument takes the one argument that a command about a model may have in place of
// --model.
func modelArgument(f *flags, model *string, args []string) error {
	switch {
	case len(args) > 1:
		return unexpected(args[1:])
	case len(args) == 1 && f.Changed("model"):
		return usagef("a model as an argument and --model exclude each other")
	case len(args) == 1 && args[0] == "":
		return usagef("the model's name is empty: leave it out for the embedded one")
	case len(args) == 1:
		*model = args[0]
	}
	return nil
}

// unexpected is the error of arguments where a command takes none.
func unexpected(args []string) error {
	if slices.Contains(commandNames(), args[0]) {
		return usagef("unexpected argument %s: a command comes first, as in 'infer %s …'", words.Quoted(args[0]), args[0])
	}
	return usagef("unexpected argument %s", words.Quoted(args[0]))
}
