package main

import (
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/seed7adf6694/infer/cmd/infer/internal/texts"
)

func TestWrongUsageSaysWhatIsMeant(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		want string // first line, after "infer: "
		help string // the command that the second line names
	}{
		{"a typo in a flag", []string{"--promt", "x"}, "unknown flag --promt (did you mean --prompt?)", ""},
		{"a typo in a flag with a value", []string{"--tmep=1"}, "unknown flag --tmep (did you mean --temp?)", ""},
		{"two letters swapped", []string{"--sede", "1"}, "unknown flag --sede (did you mean --seed?)", ""},
		{"the beginning of a flag", []string{"--ctx", "1"}, "unknown flag --ctx (did you mean --ctx-size?)", ""},
		{"another program's word", []string{"--max-tokens", "1"}, "unknown flag --max-tokens (did you mean --predict?)", ""},
		{"nothing like a flag", []string{"--frobnicate"}, "unknown flag --frobnicate", ""},
		{"one letter that is no flag", []string{"-x"}, "unknown flag -x", ""},
		{"a long flag with one dash", []string{"-temp", "0.5"}, "unknown flag -temp (did you mean --temp?)", ""},
		{"a long flag that reads like a short one with a value", []string{"-prompt", "x"}, "unknown flag -prompt (did you mean --prompt?)", ""},
		{"a flag without its value", []string{"-n"}, "-n/--predict needs a value", ""},
		{"a long flag without its value", []string{"--stop"}, "--stop needs a value", ""},
		{"a word for a number", []string{"-n", "many"}, `-n/--predict "many": want a whole number (at least -2)`, ""},
		{"a number that does not fit", []string{"-n", "99999999999999999999"}, `-n/--predict "99999999999999999999": out of range (at least -2)`, ""},
		{"a fraction for a whole number", []string{"--top-k", "1.5"}, `--top-k "1.5": want a whole number (at least -1)`, ""},
		{"too many threads", []string{"-t", "513"}, `-t/--threads "513": out of range (-1 to 512)`, ""},
		{"a word for a fraction", []string{"--temp", "hot"}, `--temp "hot": want a number`, ""},
		{"a temperature that is no number", []string{"--temp", "NaN"}, `--temp "NaN": out of range (at least 0)`, ""},
		{"an infinite temperature", []string{"--temp", "inf"}, `--temp "inf": out of range (at least 0)`, ""},
		{"a negative temperature", []string{"--temp", "-1"}, `--temp "-1": out of range (at least 0)`, ""},
		{"a probability above one", []string{"--top-p", "2"}, `--top-p "2": out of range (0 to 1)`, ""},
		{"a repeat penalty of zero", []string{"--repeat-penalty", "0"}, `--repeat-penalty "0": out of range (more than 0)`, ""},
		{"an unknown load mode", []string{"--load", "slow"}, `--load "slow": want one of auto, mmap, copy, stock`, ""},
		{"an unknown cache type", []string{"-ctk", "q3"}, `--cache-type-k "q3": want one of f32, f16, bf16, q8_0, q5_1, q5_0, q4_1, q4_0, iq4_nl`, ""},
		{"a size without a number", []string{"--chunk-size", "MiB"}, `--chunk-size "MiB": want bytes, or a size such as 256MiB, 4G or 1.5GB`, ""},
		{"a switch that is neither", []string{"--json=maybe"}, `--json "maybe": must be true or false`, ""},
		{"a seed that is none", []string{"-s", "-2"}, `-s/--seed "-2": want a whole number (-1 to 4294967295)`, ""},
		{"a model from a variable that is not set", []string{"-m", "", "-p", "a"}, `-m/--model "": must not be empty; omit the flag for the default`, ""},
		{"an output from one", []string{"quantize", "--type", "q4_0", "-o", ""}, `-o/--output "": must not be empty; omit the flag for the default`, "quantize"},
		{"a model as an argument from one", []string{"inspect", ""}, "the model's name is empty: omit it for the embedded model", "inspect"},
		{"an empty stop text", []string{"--stop", ""}, `--stop "": must not be empty`, ""},
		{"a bias without a token", []string{"-l", "+5"}, `--logit-bias "+5": want a token's number, + or -, and the bias, as in 15+2.5 or 15-inf`, ""},
		{"a scaled adapter without its scale", []string{"--lora-scaled", "x.gguf"}, `--lora-scaled "x.gguf": want FILE:SCALE`, ""},
		{"two prompts", []string{"-p", "a", "-f", "b"}, "--prompt and --file exclude each other", ""},
		{"an empty grammar", []string{"-p", "a", "--grammar", ""}, "--grammar: the text is empty", ""},
		{"two grammars", []string{"-p", "a", "--grammar", "x", "--grammar-file", "y"}, "--grammar and --grammar-file exclude each other", ""},
		{"a grammar and a schema", []string{"-p", "a", "--grammar", "x", "-j", "{}"}, "--grammar and --json-schema exclude each other", ""},
		{"an empty schema", []string{"-p", "a", "-j", ""}, "--json-schema: the text is empty", ""},
		{"a quantised V cache without flash attention", []string{"-p", "a", "-fa", "off", "-ctv", "q8_0"}, "--cache-type-v q8_0 needs flash attention, and --flash-attn is off", ""},
		{"a model and no prompt", []string{"-m", "some.gguf"}, `no prompt, standard input is empty: give one with -p "text", -f FILE or on standard input; -p "" starts without a prompt`, ""},
		{"a typo in a command", []string{"tokenise", "x"}, `unknown command "tokenise" (did you mean tokenize?)`, ""},
		{"the prompt as an argument", []string{"Once upon a time"}, `unknown command "Once upon a time": a prompt is given with -p, in quotes`, ""},
		{"a file as an argument", []string{"usage_test.go"}, `unknown command "usage_test.go": a prompt in a file is given with -f usage_test.go`, ""},
		{"a folder as an argument", []string{"../infer"}, `unknown command "../infer": a model is given with -m ../infer`, ""},
		{"a prompt without quotes", []string{"-p", "Once", "upon"}, `unexpected argument "upon"`, ""},
		{"a command after flags", []string{"-q", "inspect"}, `unexpected argument "inspect": put the command first, as in 'infer inspect …'`, ""},
		{"help on nothing known", []string{"help", "inspetc"}, `no help on "inspetc" (did you mean inspect?)`, ""},

		{"a typo in a flag of a command", []string{"tokenize", "--id", "x"}, "unknown flag --id (did you mean --ids?)", "tokenize"},
		{"two texts", []string{"tokenize", "-f", "x", "y"}, "text in arguments and --file exclude each other", "tokenize"},
		{"two models", []string{"inspect", "-m", "x", "y"}, "the model is given twice: as an argument and by --model", "inspect"},
		{"three models", []string{"inspect", "x", "y", "z"}, `unexpected argument "y"`, "inspect"},
		{"nothing to quantise", []string{"quantize"}, "no model: give one with -m FILE", "quantize"},
		{"no type", []string{"quantize", "x.gguf"}, "no type: give one with --type; 'infer quantize --list' lists them", "quantize"},
		{"a type that is none", []string{"quantize", "x.gguf", "q8_9"}, `unknown type "q8_9" (did you mean q8_0?)`, "quantize"},
		{"too many files", []string{"quantize", "a", "b", "c", "q4_0"}, `unexpected argument "c"`, "quantize"},
		{"no file to write", []string{"synthesize", "--shape", "test"}, "no output file: give it as an argument", "synthesize"},
		{"no shape", []string{"synthesize", "x.gguf"}, "no shape: give one with --shape; 'infer synthesize --list' lists those with names", "synthesize"},
		{"a size of holes that is none", []string{"probe", "--fragment", "lots"}, `--fragment "lots": want bytes, or a size such as 256MiB, 4G or 1.5GB`, "probe"},
		{"a size of holes without a number", []string{"probe", "--fragment=GiB"}, `--fragment "GiB": want bytes, or a size such as 256MiB, 4G or 1.5GB`, "probe"},
		{"holes too small to live in", []string{"probe", "--fragment", "4096"}, `--fragment "4096": out of range: want 16MiB to 64GiB`, "probe"},
		{"holes too large to be in pieces", []string{"probe", "--fragment", "1T"}, `--fragment "1T": out of range: want 16MiB to 64GiB`, "probe"},
		{"an interval that is none", []string{"probe", "--watch=often"}, `--watch "often": want a time such as 2s, 500ms or 1m`, "probe"},
		{"an interval of nothing", []string{"probe", "--watch=0"}, `--watch "0": out of range (100ms to 24h)`, "probe"},
		{"an interval that does not end", []string{"probe", "--watch=NaN"}, `--watch "NaN": want a time such as 2s, 500ms or 1m`, "probe"},
		{"an interval that is not joined", []string{"probe", "--watch", "2s"}, `unexpected argument "2s" (did you mean --watch=2s?)`, "probe"},
		{"an argument to probe", []string{"probe", "x"}, `unexpected argument "x"`, "probe"},
		{"an argument to version", []string{"version", "x"}, `unexpected argument "x"`, "version"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := call(t, tt.args...)
			help := "infer --help"
			if tt.help != "" {
				help = "infer " + tt.help + " --help"
			}
			want := "infer: " + tt.want + "\nRun '" + help + "'\n"
			if r.code != exitUsage || r.out != "" || r.stderr != want {
				t.Errorf("exit code %d, stdout %q, stderr\n%s\nwant\n%s", r.code, r.out, r.stderr, want)
			}
		})
	}
}

func TestHelp(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		want []string
	}{
		{"of the program", []string{"--help"}, []string{"Usage:\n  infer [flags]\n", "tokenize", "--chunk-size SIZE", "(default 0.8)", "Examples:"}},
		{"by the short flag", []string{"-h"}, []string{"Usage:\n  infer [flags]\n"}},
		{"beside other flags", []string{"-p", "x", "--help"}, []string{"Usage:\n  infer [flags]\n"}},
		{"by the command", []string{"help"}, []string{"Usage:\n  infer [flags]\n"}},
		{"on sampling", []string{"help", "sampling"}, []string{"--mirostat N", "--logit-bias ID±BIAS"}},
		{"on memory", []string{"help", "memory"}, []string{"also -ngl", "q5_1"}},
		{"of tokenize", []string{"tokenize", "--help"}, []string{"infer tokenize [flags] [TEXT ...]", "--no-special"}},
		{"on inspect", []string{"help", "inspect"}, []string{"infer inspect [flags] [MODEL]", "--json"}},
		{"of quantize", []string{"quantize", "-h"}, []string{"--type TYPE", "--force"}},
		{"of synthesize", []string{"help", "synthesize"}, []string{"--shape SHAPE", "1b,layers=4"}},
		{"of probe", []string{"probe", "--help"}, []string{"infer probe [flags]", "--watch=500ms", "--fragment SIZE", "--fragment"}},
		{"of version", []string{"version", "--help"}, []string{"--json"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := call(t, tt.args...)
			if r.code != 0 || r.stderr != "" {
				t.Fatalf("exit code %d, stderr %q", r.code, r.stderr)
			}
			for _, w := range tt.want {
				if !strings.Contains(r.out, w) {
					t.Errorf("%q is missing in\n%s", w, r.out)
				}
			}
			for line := range strings.Lines(r.out) {
				line = strings.TrimSuffix(line, "\n")
				if utf8.RuneCountInString(line) > helpWidth || strings.TrimRight(line, " ") != line || strings.Contains(line, texts.NoBreak) {
					t.Errorf("bad line %q", line)
				}
			}
		})
	}
	t.Run("says all flags that are not hidden, once", func(t *testing.T) {
		all := call(t, "--help").out + call(t, "help", "sampling").out + call(t, "help", "memory").out
		for _, name := range complete(generateCommand()).flagNames() {
			if n := strings.Count(all, "--"+name+" ") + strings.Count(all, "--"+name+"\n"); n < 1 {
				t.Errorf("--%s is not there", name)
			}
		}
	})
}

func TestVersion(t *testing.T) {
	for _, args := range [][]string{{"version"}, {"--version"}} {
		r := call(t, args...)
		if r.code != 0 || r.stderr != "" || !strings.HasPrefix(r.out, "infer ") || !strings.Contains(r.out, "engine") {
			t.Errorf("%v: exit code %d, stdout %q, stderr %q", args, r.code, r.out, r.stderr)
		}
	}
}

func TestExitCodesAreInTheHelpAndTheREADME(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	help := strings.Join(strings.Fields(call(t, "--help").out), " ")
	for _, e := range exitCodes {
		if row := "| " + e.code + " | " + e.meaning + " |\n"; !strings.Contains(string(readme), row) {
			t.Errorf("the README has no row %q", row)
		}
		if !strings.Contains(help, e.code+" "+e.meaning) {
			t.Errorf("the help does not explain %s", e.code)
		}
	}
}
