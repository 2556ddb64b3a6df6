package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/internal/ggufcases/instruct"
)

// storyTeller is a template with which tiny tells stories as it does without one.
const storyTeller = `{{ bos_token }}{% for m in messages %}{% if not loop.first %}{{ ' ' }}{% endif %}{{ m.content }}{% endfor %}`

// instructModel writes a model with a chat template.
func instructModel(t *testing.T, template string) string {
	t.Helper()
	needEngine(t)
	path := filepath.Join(t.TempDir(), "instruct.gguf")
	if err := instruct.Write(tinyF16, path, map[string]string{"tokenizer.chat_template": template, "tokenizer.chat_template.other": "{{ bos_token }}Once"}); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAPromptIsAnsweredWithTheModelsTemplate(t *testing.T) {
	m := instructModel(t, instruct.ChatML)
	ask := func(args ...string) result {
		return call(t, append([]string{"-m", m, "--temp", "0", "-n", "8"}, args...)...)
	}
	rendered := "<|im_start|>user\nOnce upon a time<|im_end|>\n<|im_start|>assistant\n"
	raw := ask("--raw", "-q", "-p", strings.ReplaceAll(rendered, "\n", `\n`))
	answer := ask("-p", "Once upon a time")
	if answer.code != 0 || raw.code != 0 || answer.out != raw.out || !strings.Contains(answer.stderr, "; the model's chat template; ") {
		t.Errorf("%+v, want %q", answer, raw.out)
	}
	if echo := ask("--echo", "-p", "Once upon a time"); echo.out != rendered+answer.out {
		t.Errorf("%q", echo.out)
	}
	plain := ask("--raw", "-p", "Once upon a time")
	if plain.code != 0 || plain.out == answer.out || !strings.Contains(plain.stderr, "; without the model's chat template; ") {
		t.Errorf("%+v", plain)
	}
	if base := call(t, greedy("-p", "Once upon a time")...); strings.Contains(base.stderr, "template") {
		t.Errorf("%q", base.stderr)
	}
	system := ask("-q", "-sys", "Be brief.", "-p", "Once upon a time")
	if want := ask("--raw", "-q", "-p", `<|im_start|>system\nBe brief.<|im_end|>\n`+strings.ReplaceAll(rendered, "\n", `\n`)); system.code != 0 || system.out != want.out {
		t.Errorf("%+v, want %q", system, want.out)
	}
	file := filepath.Join(t.TempDir(), "t.jinja")
	if err := os.WriteFile(file, []byte("{{ bos_token }}{{ start }}"), 0o600); err != nil {
		t.Fatal(err)
	}
	once := ask("--raw", "-q", "-p", "Once")
	for _, args := range [][]string{{"--chat-template", "other"}, {"--chat-template", "{{ 'Once' }}"}, {"--chat-template-file", file, "--chat-template-kwargs", `{"start": "Once"}`}} {
		if got := ask(append(args, "-p", "x", "--jinja")...); got.code != 0 || got.out != once.out || strings.Contains(got.stderr, "the model's chat template") {
			t.Errorf("%q: %+v, want %q", args, got, once.out)
		}
	}
	var figures struct {
		Stats struct {
			Template string `json:"chat_template"`
		}
	}
	lines := strings.Split(strings.TrimSpace(ask("-p", "Once", "--json").out), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &figures); err != nil || figures.Stats.Template != "the model's chat template" || len(lines) != 9 {
		t.Errorf("%v, %q", err, lines)
	}
}

func TestReasoningOfAnAnswer(t *testing.T) {
	m := instructModel(t, storyTeller+"{{ '<think>' }}{% if x %}</think>{% endif %}")
	ask := func(args ...string) result {
		return call(t, append([]string{"-m", m, "--temp", "0", "-n", "8", "-q", "-p", "Once"}, args...)...)
	}
	show, hide, lines := ask(), ask("--reasoning", "hide"), ask("--json")
	if !strings.HasPrefix(show.out, "<think>\n") || !strings.HasSuffix(show.out, "\n</think>\n") || hide.code != 0 || hide.out != "" || !strings.Contains(lines.out, `"text":"","reasoning":"`) {
		t.Errorf("%+v\n%+v\n%+v", show, hide, lines)
	}
	off := instructModel(t, storyTeller+"{{ enable_thinking }}")
	with := func(args ...string) string {
		return call(t, append([]string{"-m", off, "--temp", "0", "-n", "1", "-q", "--echo", "-p", "Once"}, args...)...).out
	}
	if !strings.HasPrefix(with("--reasoning", "off"), "OnceFalse") && !strings.HasPrefix(with("--reasoning", "off"), "<s>OnceFalse") {
		t.Errorf("%q", with("--reasoning", "off"))
	}
}

// Special tokens that are no marks of reasoning or calls are no text.
func TestOtherSpecialTokensAreNotShown(t *testing.T) {
	m := instructModel(t, instruct.Hermes)
	const start = "1534" // <|im_start|>
	for _, args := range [][]string{{"-p", "Hello"}, {"chat"}} {
		got := callWith(t, "Hello\n", append(args, "-m", m, "--temp", "0", "-n", "4", "-q", "-l", start+"+1000")...)
		if got.code != 0 || strings.TrimSpace(got.out) != "" {
			t.Errorf("%q: %+v", args, got)
		}
	}
}

func TestTemplatesThatAreRefused(t *testing.T) {
	m := instructModel(t, "\n{{ raise_exception('no ' + messages[0].role) }}")
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"-m", m, "-p", "x"}, exitFailure, "chat template, line 2: no user"},
		{[]string{"-m", m, "-p", "x", "--chat-template", "{{ 1 +"}, exitFailure, "chat template, line 1: the tag has no end: }} is missing (--chat-template NAME"},
		{[]string{"-m", m, "-p", "x", "--chat-template", "nosuch"}, exitFailure, `"nosuch" is no template of the model`},
		{[]string{"-m", m, "-p", "x", "--chat-template-file", "nosuch.jinja"}, exitFailure, "nosuch.jinja"},
		{[]string{"-m", m, "-p", "x", "--raw", "-sys", "y"}, exitUsage, "--raw and --system-prompt exclude each other"},
		{[]string{"-m", m, "-p", "x", "-sysf", "nosuch.txt"}, exitFailure, "nosuch.txt"},
		{[]string{"-p", "x", "-sys", "y"}, exitUsage, "--system-prompt: the model has no chat template"},
		{[]string{"-p", "x", "--chat-template-kwargs", "[]"}, exitUsage, "want a JSON object"},
		{[]string{"chat"}, exitUsage, "the model has no chat template"},
		{[]string{"chat", "--raw"}, exitUsage, "unknown flag --raw"},
	} {
		if got := call(t, tt.args...); got.code != tt.code || !strings.Contains(got.stderr, tt.want) {
			t.Errorf("%q: %+v, want %d, %s", tt.args, got, tt.code, tt.want)
		}
	}
}

// A template is refused before weights are read, which takes long. Here there is no memory for them.
func TestTemplatesAreRefusedBeforeWeightsAreRead(t *testing.T) {
	good, bad := instructModel(t, instruct.ChatML), instructModel(t, "{{ 1 +")
	file := filepath.Join(t.TempDir(), "t.jinja")
	if err := os.WriteFile(file, []byte("{{ 1 +"), 0o600); err != nil {
		t.Fatal(err)
	}
	const unfinished = "chat template, line 1: the tag has no end"
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"-m", good, "-p", "x"}, "memory"},
		{[]string{"-m", good, "-p", "x", "--chat-template", "nosuch"}, `"nosuch" is no template of the model`},
		{[]string{"-m", good, "-p", "x", "--chat-template", "{{ raise_exception('no') }}"}, "chat template, line 1: no"},
		{[]string{"-m", good, "-p", "x", "--chat-template-file", file}, file + ": " + unfinished},
		{[]string{"-m", bad, "-p", "x"}, unfinished},
		{[]string{"chat", "-m", good}, "memory"},
		{[]string{"chat", "-m", good, "--chat-template", "nosuch"}, `"nosuch" is no template of the model`},
		{[]string{"chat", "-m", good, "--chat-template-file", file}, file + ": " + unfinished},
		{[]string{"chat", "-m", bad}, unfinished},
		{[]string{"serve", "-m", good, "--port", "0"}, "memory"},
		{[]string{"serve", "-m", good, "--port", "0", "--chat-template", "nosuch"}, `"nosuch" is no template of the model`},
		{[]string{"serve", "-m", good, "--port", "0", "--chat-template", "{{ 1 +"}, unfinished},
		{[]string{"serve", "-m", good, "--port", "0", "--chat-template-file", file}, file + ": " + unfinished},
		{[]string{"serve", "-m", good, "--port", "0", "--chat-template-file", os.DevNull}, "is empty"},
	} {
		code := exitFailure
		if tt.want == "memory" {
			code = exitMemory
		}
		got := call(t, append(tt.args, "--pool", "1MiB", "--load", "copy", "--packed", "off")...)
		if got.code != code || !strings.Contains(got.stderr, tt.want) {
			t.Errorf("%q: %+v, want %s", tt.args, got, tt.want)
		}
	}
}

// In a pipe each line is a turn, and standard output has the answers alone.
func TestAChatInAPipe(t *testing.T) {
	m, dir := instructModel(t, storyTeller), t.TempDir()
	file := filepath.Join(dir, "talk.json")
	talk := func(input string, args ...string) result {
		return callWith(t, input, append([]string{"chat", "-m", m, "--temp", "0", "-n", "8", "-t", "1"}, args...)...)
	}
	first := call(t, "-m", m, "--temp", "0", "-n", "8", "-q", "-p", "Once upon a time")
	got := talk("Once upon a time\n\nOne day\n/save " + file + "\n//x\n/exit\nnot read\n")
	answers := strings.Split(got.out, "\n")
	if got.code != 0 || answers[0]+"\n" != first.out || !strings.Contains(got.stderr, "4 messages were written to "+file) || strings.Contains(got.out, "\x1b") {
		t.Errorf("%+v, want %q", got, first.out)
	}
	again := talk("/load "+file+"\n//x\n", "-q")
	if again.code != 0 || again.stderr != "" || !strings.HasSuffix(got.out, again.out) {
		t.Errorf("%+v after %q", again, got.out)
	}
	help := talk("/help\n/system Be brief.\n/system\n/clear\n/stats\n")
	for _, want := range []string{"/load FILE", "the system prompt is set\nBe brief.\n", "all turns are forgotten", "1 messages, 0 left out"} {
		if !strings.Contains(help.stderr, want) {
			t.Errorf("%q is not in %q", want, help.stderr)
		}
	}
	told := filepath.Join(dir, "told.txt")
	if err := os.WriteFile(told, []byte("Once upon a time\n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	read, written := talk("/read "+told+"\nOne day\n/save "+file+"\n"), struct{ Messages []struct{ Content string } }{}
	if b, err := os.ReadFile(file); err != nil || json.Unmarshal(b, &written) != nil || read.code != 0 || written.Messages[0].Content != "Once upon a time\n\nOne day" {
		t.Errorf("%+v, %s, %v", read, b, err)
	}
	regen := talk("Once upon a time\n/regen\n/save " + file + "\n")
	if lines := strings.Split(regen.out, "\n"); regen.code != 0 || len(lines) < 2 || lines[0] != lines[1] || !strings.Contains(regen.stderr, "2 messages were written") || !strings.Contains(regen.stderr, "always the same") {
		t.Errorf("%+v", regen)
	}
	seeded := talk("Once upon a time\n/regen\n/regen\n/save "+file+"\n", "--temp", "1", "-s", "5")
	if lines := strings.Split(seeded.out, "\n"); seeded.code != 0 || len(lines) < 3 || lines[0] == lines[1] || lines[1] == lines[2] || !strings.Contains(seeded.stderr, "2 messages were written") {
		t.Errorf("%+v", seeded)
	}
	wrong := filepath.Join(dir, "wrong.json")
	if err := os.WriteFile(wrong, []byte(`{"messages": [{"role": "user", "content": 5}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	long := filepath.Join(dir, "long.txt")
	if err := os.WriteFile(long, []byte(strings.Repeat("a dog and a cat ", 1<<17)), 0o600); err != nil {
		t.Fatal(err)
	}
	for input, want := range map[string]string{"/read " + long + "\n": long + ": the message is too long: 1441792 bytes", "/load " + wrong + "\n": "messages.content is of type number", "/nosuch\n": "unknown command /nosuch", "/regen\n": "there is no message to answer", "/read\n": "/read wants a file", "/read " + dir + "/none\n": "none", "/read " + dir + "\n": dir + " is a folder, not a file", "/read " + m + "\n": m, "/load " + dir + "/none\n": "none", "/load " + m + "\n": "is no saved conversation", strings.Repeat("a dog and a cat ", 999) + "\n": "the message is too long"} {
		if got := talk(input); got.code != exitFailure || !strings.Contains(got.stderr, want) {
			t.Errorf("%.20q: %+v, want %s", input, got, want)
		}
	}
}

// The computed text of a prompt is kept in a file.
func TestAPromptCacheIsRead(t *testing.T) {
	m := instructModel(t, instruct.ChatML)
	cache := filepath.Join(t.TempDir(), "cache")
	ask := func() (text string, cached int) {
		got := call(t, "-m", m, "--temp", "0", "-n", "8", "-p", "Once upon a time", "--prompt-cache", cache, "--json", "-q")
		if got.code != 0 {
			t.Fatalf("%+v", got)
		}
		lines := strings.Split(strings.TrimSpace(got.out), "\n")
		var s struct {
			Stats struct {
				Cached int `json:"prompt_cached_tokens"`
			}
		}
		if err := json.Unmarshal([]byte(lines[len(lines)-1]), &s); err != nil {
			t.Fatal(err)
		}
		return strings.Join(lines[:len(lines)-1], "\n"), s.Stats.Cached
	}
	text, cached := ask()
	again, more := ask()
	if again != text || cached != 0 || more < 10 {
		t.Errorf("%d and %d tokens of the cache\n%s\n%s", cached, more, text, again)
	}
	if err := os.WriteFile(cache, []byte("a user's file"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := call(t, "-m", m, "-p", "x", "--prompt-cache", cache)
	if data, err := os.ReadFile(cache); got.code != exitFailure || !strings.Contains(got.stderr, "it is no saved session") || string(data) != "a user's file" {
		t.Errorf("%+v, %q, %v", got, data, err)
	}
	missing := filepath.Join(t.TempDir(), "missing", "cache")
	got = call(t, "-m", m, "-p", "x", "--prompt-cache", missing)
	if got.code != exitFailure || got.out != "" || !strings.Contains(got.stderr, "--prompt-cache: ") || !strings.Contains(got.stderr, missing) {
		t.Errorf("a cache that can't be written, known after the answer: %+v", got)
	}
}
