//go:build cgo

package llama_test

import (
	"errors"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/llama"
)

func grammar(text string) func(*llama.Sampler) error {
	return func(s *llama.Sampler) error { return s.AddGrammar(text, "root") }
}

// generate goes on with a prompt until the sampler ends the text, for at most n tokens.
func generate(t *testing.T, m *llama.Model, s *llama.Sampler, prompt string, n int) (text string, ended bool) {
	t.Helper()
	c := newContext(t, m, llama.ContextParams{Ctx: 512, Threads: 1})
	defer c.Close()
	tokens, err := m.Tokenize(prompt, true, false)
	if err != nil {
		t.Fatal(err)
	}
	b, err := llama.NewBatch(len(tokens), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	var piece []byte
	for pos := 0; n > 0; n-- {
		b.Clear()
		for i, token := range tokens {
			if err := b.Add(token, llama.Pos(pos+i), i == len(tokens)-1); err != nil {
				t.Fatal(err)
			}
		}
		pos += len(tokens)
		if err := c.Decode(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		token, err := s.Sample(c, -1)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := m.TokenInfo(token); err != nil {
			t.Fatal(err)
		} else if info.EOG {
			return string(piece), true
		}
		if piece, err = m.AppendPiece(piece, token, false); err != nil {
			t.Fatal(err)
		}
		tokens = []llama.Token{token}
	}
	return string(piece), false
}

func TestTextFollowsTheGrammar(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	for _, tt := range []struct {
		name, grammar, root, want string
	}{
		{"a choice of words", `root ::= "yes" | "no"`, "root", `^(yes|no)$`},
		{"sets of characters and a number of them", `root ::= [0-9]{3} "-" [a-f]+ "."`, "root", `^[0-9]{3}-[a-f]+\.$`},
		{"a negated set", `root ::= " " [^a-zA-Z\x00-\x20]{5}`, "root", `^ [^a-zA-Z\x00- ]{5}$`},
		{"characters beyond ASCII", `root ::= [α-ω]{3} "é" [😀-😏]`, "root", `^[α-ω]{3}é[😀-😏]$`},
		{"escapes", `root ::= "\x41\u00e9\U0001F600" "\n\"\\"`, "root", "^Aé😀\n\"\\\\$"},
		{"rules that refer to themselves", "root ::= \"(\" inner \")\"\ninner ::= \"x\" | \"(\" inner \")\"", "root", `^\(+x\)+$`},
		{"any character", `root ::= . . .`, "root", `^(?s:...)$`},
		{"a repetition with both ends", `root ::= ("ab"){2,3}`, "root", `^(ab){2,3}$`},
		{"another rule than root to begin with", "root ::= \"a\"\nother ::= \"b\"", "other", `^b$`},
		{"comments and rules over lines", "# a comment\nroot ::= (\n  \"a\" | # one\n  \"b\"   # two\n)\n", "root", `^(a|b)$`},
		{"a list as JSON", "root ::= \"[\" item (\",\" item){0,4} \"]\"\nitem ::= [1-9] [0-9]{0,2} | \"\\\"\" [a-z]{1,5} \"\\\"\"", "root", `^\[([1-9]\d{0,2}|"[a-z]{1,5}")(,([1-9]\d{0,2}|"[a-z]{1,5}")){0,4}\]$`},
		{"a token by its number", `root ::= "a" <[325]> "b"`, "root", `^a theb$`},
		{"any token but one", `root ::= !<[325]> "."`, "root", `^(?s:.*)\.$`},
		{"nothing at all", `root ::= ""`, "root", `^$`},
		{"a repetition of what may be nothing", `root ::= ("a"?)* "b"`, "root", `^a*b$`},
		{"one or more of what may be nothing", "root ::= item+ \".\"\nitem ::= \"a\" | \"b\" | ", "root", `^[ab]*\.$`},
		{"repetitions of repetitions", `root ::= ((("a"*)+ "b"?)* | "c"?){0,3} "."`, "root", `^[abc]*\.$`},
		{"recursion behind what may be nothing", "root ::= e root | \"b\"\ne ::= f f\nf ::= g*\ng ::= \"x\"", "root", `^x*b$`},
		{"white space as JSON grammars have it", "root ::= ws \"{\" ws \"}\" ws\nws ::= ([ \\t\\n] ws)? | (\" \"?)*", "root", `^[ \t\n]*\{[ \t\n]*\}[ \t\n]*$`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := llama.CheckGrammar(tt.grammar, tt.root); err != nil {
				t.Fatal(err)
			}
			for _, last := range []func(*llama.Sampler) error{greedy, dist(5)} {
				s := chain(t, m, func(s *llama.Sampler) error { return s.AddGrammar(tt.grammar, tt.root) }, last)
				text, ended := generate(t, m, s, "Once upon a time", 200)
				if !ended && !strings.ContainsAny(tt.grammar, "+*") && tt.name != "rules that refer to themselves" {
					t.Errorf("%q does not end", text)
				}
				if ended && !regexp.MustCompile(tt.want).MatchString(text) {
					t.Errorf("%q does not match %s", text, tt.want)
				}
				if err := s.Reset(); err != nil {
					t.Fatal(err)
				}
				if again, _ := generate(t, m, s, "Once upon a time", 200); again != text {
					t.Errorf("%q, after a reset %q", text, again)
				}
			}
		})
	}
}

func TestGrammarsThatAreRefused(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	syntax := func(line, column int) llama.GrammarError {
		return llama.GrammarError{Problem: llama.GrammarSyntax, Line: line, Column: column}
	}
	missing := func(rule string) llama.GrammarError {
		return llama.GrammarError{Problem: llama.GrammarMissing, Rule: rule}
	}
	recursion := func(rule string) llama.GrammarError {
		return llama.GrammarError{Problem: llama.GrammarRecursion, Rule: rule}
	}
	limit := func(n, line, column int) llama.GrammarError {
		return llama.GrammarError{Problem: llama.GrammarLimit, Limit: n, Line: line, Column: column}
	}
	tooMuch := func(n int, rule string) llama.GrammarError {
		return llama.GrammarError{Problem: llama.GrammarLimit, Limit: n, Rule: rule}
	}
	deep := func(n int) string { return "root ::= " + strings.Repeat("(", n) + `"a"` + strings.Repeat(")", n) }
	for _, tt := range []struct {
		name, grammar string
		want          llama.GrammarError // without the reason
	}{
		{"nothing", "", missing("")},
		{"a comment alone", "# nothing\n", missing("")},
		{"root is missing", `toor ::= "a"`, missing("root")},
		{"root is only referred to", `a ::= root`, missing("root")},
		{"a rule is not defined", "root ::= a b\na ::= \"x\"", missing("b")},
		{"a rule without a body", `root`, syntax(1, 5)},
		{"a rule without a name", `::= "a"`, syntax(1, 1)},
		{"one colon too few", `root := "a"`, syntax(1, 6)},
		{"two rules on a line", `root ::= "a" other ::= "b"`, syntax(1, 20)},
		{"a parenthesis that is not closed", `root ::= ("a"`, syntax(1, 14)},
		{"one that was not opened", `root ::= "a")`, syntax(1, 13)},
		{"a literal that is not closed", `root ::= "abc`, syntax(1, 14)},
		{"a set that is not closed", `root ::= [abc`, syntax(1, 14)},
		{"a range without an end", `root ::= [a-`, syntax(1, 13)},
		{"a backslash at the end", `root ::= "\`, syntax(1, 11)},
		{"an unknown escape", `root ::= "\q"`, syntax(1, 11)},
		{"too few hexadecimal digits", `root ::= "\u12"`, syntax(1, 13)},
		{"nothing to repeat", `root ::= *`, syntax(1, 10)},
		{"nothing to repeat in parentheses", `root ::= "a" (+)`, syntax(1, 15)},
		{"a repetition without a number", `root ::= "a"{}`, syntax(1, 14)},
		{"a repetition of less than nothing", `root ::= "a"{-1}`, syntax(1, 14)},
		{"a repetition that is not closed", `root ::= "a"{2`, syntax(1, 15)},
		{"a repetition whose end is before its beginning", `root ::= "a"{3,2}`, syntax(1, 17)},
		{"a repetition of a huge number", `root ::= "a"{1000000000}`, limit(2000, 1, 24)},
		{"one that no integer holds", `root ::= "a"{1,99999999999999999999999}`, limit(2000, 1, 39)},
		{"repetitions of a long literal", `root ::= "` + strings.Repeat("a", 600) + `"{2000}`, limit(1048576, 1, 618)},
		{"too many optional repetitions", "root ::= " + strings.Repeat(`"a"{0,2000} `, 40), limit(65536, 1, 405)},
		{"optional repetitions of repetitions", `root ::= (("a"{0,2000}){0,2000}){0,2000}`, tooMuch(4000, "root")},
		{"text that is no UTF-8", "root ::= \"\xff\"", syntax(1, 11)},
		{"half a character", "root ::= [\xe2\x82]", syntax(1, 11)},
		{"a NUL", "root ::= \"a\x00b\"", syntax(1, 12)},
		{"more than a mebibyte", "root ::= \"a\" #" + strings.Repeat("x", 1<<20), tooMuch(1048576, "")},
		{"parentheses deeper than 200", deep(201), limit(200, 1, 211)},
		{"parentheses a million deep", deep(1 << 18), limit(200, 1, 211)},
		{"left recursion", `root ::= root "a" | "b"`, recursion("root")},
		{"left recursion by way of another rule", "root ::= a\na ::= b\nb ::= a \"x\" | \"y\"", recursion("a")},
		{"left recursion behind what may be empty", "root ::= e root \"a\" | \"b\"\ne ::= \"x\"?", recursion("root")},
		{"left recursion behind what is empty by way of others", "root ::= e root \"c\" | \"b\"\ne ::= f f\nf ::= g*\ng ::= \"x\"", recursion("root")},
		{"left recursion in parentheses", `root ::= (root)* "a"`, recursion("root")},
		{"left recursion in parentheses of another rule than the last", "root ::= first \"x\"\nfirst ::= (first \"y\")* last\nlast ::= \"z\"", recursion("first")},
		{"rules that are nothing but each other", "root ::= a\na ::= b | \"x\"\nb ::= a | \"y\"", recursion("a")},
		{"a repetition of nothing", `root ::= ""* "a"`, syntax(1, 12)},
		{"a rule that is nothing but itself", `root ::= root`, recursion("root")},
		{"left recursion that root does not come to", "root ::= \"a\"\nx ::= x", recursion("x")},
		{"more ways to begin than can be walked", exponential(40), tooMuch(32768, "aaaba")},
		// The engine compares each way with each other: this one would take minutes.
		{"more ways to begin than can be compared", exponential(18), tooMuch(32768, "aaaae")},
		{"a chain of rules too long", chainOfRules(5000), tooMuch(4000, "aafxw")},
		{"a token without a name", `root ::= <`, syntax(1, 10)},
		{"a token that is not closed", `root ::= <[12]`, syntax(1, 14)},
		{"a token without a number", `root ::= <[]>`, syntax(1, 12)},
		{"a token with a huge number", `root ::= <[99999999999]>`, syntax(1, 23)},
		{"no token behind the mark", `root ::= !"a"`, syntax(1, 11)},
		{"an escape behind longer characters of a later line", "root ::= (\"é\"\n  \"αβ\\q\")", syntax(2, 6)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := llama.CheckGrammar(tt.grammar, "root")
			var e *llama.GrammarError
			if !errors.Is(err, llama.ErrArgument) || !errors.As(err, &e) {
				t.Fatalf("%v, want a GrammarError", err)
			}
			got := *e
			if got.Reason = ""; e.Reason == "" || got != tt.want {
				t.Errorf("%+v, want %+v", *e, tt.want)
			}
			if len(err.Error()) > 300 {
				t.Errorf("%d bytes of error", len(err.Error()))
			}
			s := chain(t, m)
			if err := s.AddGrammar(tt.grammar, "root"); !errors.Is(err, llama.ErrArgument) {
				t.Errorf("the sampler: %v", err)
			}
			if err := s.AddLazyGrammar(tt.grammar, "root", []string{"a"}, nil); !errors.Is(err, llama.ErrArgument) {
				t.Errorf("the lazy sampler: %v", err)
			}
			if names, err := s.Names(); len(names) != 0 || err != nil {
				t.Errorf("the chain is %v, %v", names, err)
			}
		})
	}
}

// exponential is a grammar in which each rule begins with the next one twice over.
func exponential(n int) string {
	var b strings.Builder
	b.WriteString("root ::= a0\n")
	for i := range n {
		b.WriteString("a" + letters(i) + " ::= a" + letters(i+1) + " \"x\" | a" + letters(i+1) + " \"y\"\n")
	}
	b.WriteString("a" + letters(n) + " ::= \"z\"\n")
	return strings.Replace(b.String(), "root ::= a0", "root ::= a"+letters(0), 1)
}

func chainOfRules(n int) string {
	var b strings.Builder
	b.WriteString("root ::= a" + letters(0) + "\n")
	for i := range n {
		b.WriteString("a" + letters(i) + " ::= a" + letters(i+1) + "\n")
	}
	b.WriteString("a" + letters(n) + " ::= \"z\"\n")
	return b.String()
}

// letters writes a number in the letters that the names of rules may have.
func letters(n int) string {
	s := ""
	for range 4 {
		s = string(rune('a'+n%26)) + s
		n /= 26
	}
	return s
}

func TestGrammarsAtTheirLimits(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	for name, text := range map[string]string{
		"parentheses 200 deep":         "root ::= " + strings.Repeat("(", 200) + `"a"` + strings.Repeat(")", 200),
		"2000 repetitions":             `root ::= "a"{2000}`,
		"2000 optional repetitions":    `root ::= "a"{0,2000}`,
		"repetitions of repetitions":   `root ::= (("a"{2000}){2000}){2000}`,
		"a chain of 3000 rules":        chainOfRules(3000),
		"ten thousand characters":      `root ::= "` + strings.Repeat("a", 10000) + `"`,
		"ten thousand alternatives":    `root ::= "a"` + strings.Repeat(` | "a"`, 10000),
		"a set of ten thousand ranges": `root ::= [` + strings.Repeat("a-z", 10000) + `]`,
		"2^12 ways to begin":           exponential(12),
	} {
		t.Run(name, func(t *testing.T) {
			if err := llama.CheckGrammar(text, "root"); err != nil {
				t.Fatal(err)
			}
			s, err := m.NewSampler()
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			var e *llama.Error
			if err := s.AddGrammar(text, "root"); err != nil {
				if !errors.As(err, &e) || errors.Is(err, llama.ErrBroken) {
					t.Fatal(err)
				}
				t.Log(err)
				return
			}
			if err := s.AddGreedy(); err != nil {
				t.Fatal(err)
			}
			token, err := s.Choose(make([]float32, tinyVocab))
			if err == nil {
				err = s.Accept(token)
			}
			if err != nil && (!errors.As(err, &e) || errors.Is(err, llama.ErrBroken)) {
				t.Error(err)
			}
		})
	}
}

func TestTokensThatLeaveTheGrammar(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	const eos, a, b, x = 2, 292, 293, 315
	l := make([]float32, tinyVocab)
	for _, tt := range []struct {
		name   string
		before []llama.Token
		bad    llama.Token
	}{
		{"another character", []llama.Token{a}, x},
		{"an end that is too early", []llama.Token{a}, eos},
		{"an end before the beginning", nil, eos},
		{"something behind the end", []llama.Token{a, b}, a},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := chain(t, m, grammar(`root ::= "ab"`), greedy, accepted(tt.before...))
			var e *llama.Error
			if err := s.Accept(tt.bad); !errors.As(err, &e) || e.Reason == "" || errors.Is(err, llama.ErrBroken) {
				t.Errorf("accepted: %v", err)
			}
			if err := s.Reset(); err != nil {
				t.Fatal(err)
			}
			if got := chooses(t, s, l); got != a && got != 3+'a' {
				t.Errorf("after a reset chose %d", got)
			}
		})
	}
	t.Run("nothing is chosen until a reset", func(t *testing.T) {
		s := chain(t, m, grammar(`root ::= "ab"`), greedy)
		if err := s.Accept(x); err == nil {
			t.Fatal("x was accepted")
		}
		var e *llama.Error
		if token, err := s.Choose(l); !errors.As(err, &e) || errors.Is(err, llama.ErrBroken) {
			t.Errorf("chose %d, %v", token, err)
		}
	})
	t.Run("prompts are none of its business", func(t *testing.T) {
		s := chain(t, m, grammar(`root ::= "ab"`), greedy)
		for _, token := range []llama.Token{x, eos, b} {
			if err := s.AcceptPrompt(token); err != nil {
				t.Error(err)
			}
		}
		if err := accepted(a, b, eos)(s); err != nil {
			t.Error(err)
		}
	})
}

func TestBytesThatAreNoUTF8LeaveTheGrammar(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	for name, text := range map[string]string{
		"a letter in two bytes": "\xc1\xa1", "a letter in three bytes": "\xe0\x81\xa1", "another in three": "\xe0\x91\xa7", "one in four": "\xf0\x82\x82\xac", "a letter in four bytes": "\xf0\x80\x81\xa1",
		"a surrogate": "\xed\xa0\x80", "behind the last character": "\xf4\x90\x80\x80", "five bytes": "\xf8\x88\x80\x80",
	} {
		for _, g := range []string{`root ::= .*`, `root ::= [^x]*`, `root ::= [\u0000-\U0010ffff]*`} {
			s := chain(t, m, grammar(g), greedy)
			refused := false
			for i := range len(text) {
				l := make([]float32, tinyVocab)
				l[3+text[i]] = 10
				if got := chooses(t, s, l); got != llama.Token(3+text[i]) {
					refused = true
					break
				}
				if err := s.Accept(llama.Token(3 + text[i])); err != nil {
					t.Fatal(err)
				}
			}
			if !refused {
				t.Errorf("%s: %s allows % x", name, g, text)
			}
		}
	}
	for _, text := range []string{"a", "\u07ff", "\u0800", "\xed\x9f\xbf", "\ue000", "\uffff", "\U00010000", "\U0010ffff"} {
		s := chain(t, m, grammar(`root ::= .`), greedy)
		for i := range len(text) {
			if err := s.Accept(llama.Token(3 + text[i])); err != nil {
				t.Errorf("%q: %v", text, err)
			}
		}
	}
}

func TestTheEndIsTakenWhereNothingElseIsLeft(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	const eos, a = 2, 292
	s := chain(t, m, grammar(`root ::= "a"`), greedy, accepted(a))
	if got := chooses(t, s, logitsOf(map[llama.Token]float64{a: 10, eos: -2000})); got != eos {
		t.Errorf("chose %d behind the end", got)
	}
	// Without the end-of-text token, no token is possible.
	s = chain(t, m, grammar(`root ::= "a"`), greedy, accepted(a))
	l := logitsOf(nil)
	l[eos] = float32(math.Inf(-1))
	var e *llama.Error
	if token, err := s.Choose(l); !errors.As(err, &e) {
		t.Errorf("chose %d, %v", token, err)
	}
}

func TestTextsThatAreTooMuchForAGrammar(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	open, err := m.Tokenize("(", false, false)
	if err != nil {
		t.Fatal(err)
	}
	a := llama.Token(292)
	for _, tt := range []struct {
		name, grammar string
		token         llama.Token
		n             int
	}{
		{"nested for ever", `root ::= "(" root ")" | "x"`, open[len(open)-1], 5000},
		{"read in more and more ways", `root ::= [a]{0,2000} [a]{0,2000} [a]{0,2000}`, a, 40},
		{"any of a thousand repetitions of a thousand", `root ::= ([a]{0,100} "b"?){0,100}`, a, 20},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := chain(t, m)
			err := s.AddGrammar(tt.grammar, "root")
			for range tt.n {
				if err != nil {
					break
				}
				err = s.Accept(tt.token)
			}
			var e *llama.Error
			if err != nil && !errors.Is(err, llama.ErrArgument) && (!errors.As(err, &e) || errors.Is(err, llama.ErrBroken)) {
				t.Error(err)
			}
			t.Log(err)
		})
	}
}

func TestLazyGrammar(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	const eos, a, b, c, x, said = 2, 292, 293, 294, 315, 351
	all := []llama.Token{a, b, c, x, eos}
	l := make([]float32, tinyVocab)
	lazy := func(text string, words []string, tokens ...llama.Token) func(*llama.Sampler) error {
		return func(s *llama.Sampler) error { return s.AddLazyGrammar(text, "root", words, tokens) }
	}
	for _, tt := range []struct {
		name string
		link func(*llama.Sampler) error
		text []llama.Token
		want []llama.Token
	}{
		{"before its word all is possible", lazy(`root ::= "ab" "c"`, []string{"ab"}), []llama.Token{x, eos, a}, all},
		{"from the word on it holds, which may be of several tokens", lazy(`root ::= "ab" "c"`, []string{"ab"}), []llama.Token{x, a, b}, []llama.Token{c}},
		{"an occurrence that is broken off is none", lazy(`root ::= "ab" "c"`, []string{"ab"}), []llama.Token{a, x, b}, all},
		{"one of several words", lazy(`root ::= ("ab" | "x") "c"`, []string{"ab", "x"}), []llama.Token{b, x}, []llama.Token{c}},
		{"a word inside a token, and what follows it there", lazy(`root ::= "ai" [a-d] "x"?`, []string{"ai"}), []llama.Token{said}, []llama.Token{x, eos}},
		{"a token, with whose text the grammar begins", lazy(`root ::= "x" "b"`, nil, x), []llama.Token{a, b, x}, []llama.Token{b}},
		{"a token that the grammar names", lazy(`root ::= <[315]> "b"`, nil, x), []llama.Token{a, x}, []llama.Token{b}},
		{"a control token", lazy(`root ::= <[2]> "b"`, nil, eos), []llama.Token{a, eos}, []llama.Token{b}},
		{"a word a long way into the text", lazy(`root ::= "ab" "c"`, []string{"ab"}), append(slices.Repeat([]llama.Token{x, a}, 3000), b), []llama.Token{c}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := kept(t, m, l, all, tt.link, accepted(tt.text...)); !slices.Equal(got, tt.want) {
				t.Errorf("possible are %v, want %v", got, tt.want)
			}
			reset := func(s *llama.Sampler) error { return s.Reset() }
			if got := kept(t, m, l, all, tt.link, accepted(tt.text...), reset); !slices.Equal(got, all) {
				t.Errorf("after a reset %v", got)
			}
		})
	}
	s := chain(t, m)
	for name, err := range map[string]error{
		"nothing that starts it":         s.AddLazyGrammar(`root ::= "a"`, "root", nil, nil),
		"an empty word":                  s.AddLazyGrammar(`root ::= "a"`, "root", []string{""}, nil),
		"a word with a NUL":              s.AddLazyGrammar(`root ::= "a"`, "root", []string{"a\x00"}, nil),
		"a token outside the vocabulary": s.AddLazyGrammar(`root ::= "a"`, "root", nil, []llama.Token{tinyVocab}),
		"a negative token":               s.AddLazyGrammar(`root ::= "a"`, "root", nil, []llama.Token{5, -1}),
	} {
		if !errors.Is(err, llama.ErrArgument) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if names, err := s.Names(); len(names) != 0 || err != nil {
		t.Errorf("the chain is %v, %v", names, err)
	}
}

func TestTokensOfAGrammarAreThoseOfTheVocabulary(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	s := chain(t, m)
	for _, text := range []string{`root ::= <[1536]>`, `root ::= !<[2147483647]>`, `root ::= <no such token>`, `root ::= <>`} {
		if err := llama.CheckGrammar(text, "root"); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if err := s.AddGrammar(text, "root"); !errors.Is(err, llama.ErrArgument) {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{`root ::= <[1535]>`, `root ::= "a" <s>`, `root ::= !</s>`} {
		if err := s.AddGrammar(text, "root"); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}
