package llama

import (
	"strings"
)

// Limits of grammars. The engine's parser and matcher recurse, and copy what is
// repeated: within these a grammar takes neither the stack nor gigabytes.
const (
	maxGrammar      = 1 << 20 // bytes
	maxGrammarDepth = 200     // parentheses in parentheses
	maxGrammarRules = 4000
	maxGrammarCopy  = 1 << 20 // characters that repetitions like {1,100} copy
)

// CheckGrammar refuses grammars that the engine would not survive; whether one is
// correct is for the engine to say. The limits: 1 MiB, 200 parentheses deep, 4000
// rules, and repetitions like {n} that copy no more than a million characters of the
// grammar in all.
func CheckGrammar(grammar string) error {
	if len(grammar) > maxGrammar {
		return argument("grammar of %d bytes, at most %d are possible", len(grammar), maxGrammar)
	}
	if n := strings.Count(grammar, "::="); n > maxGrammarRules {
		return argument("grammar of %d rules, at most %d are possible", n, maxGrammarRules)
	}
	depth, copies, element := 0, 0, 0
	for i := 0; i < len(grammar); i++ {
		switch c := grammar[i]; c {
		case '"', '[':
			end := byte('"')
			if c == '[' {
				end = ']'
			}
			from := i
			for i++; i < len(grammar) && grammar[i] != end; i++ {
				if grammar[i] == '\\' {
					i++
				}
			}
			element = i - from
		case '#':
			for i < len(grammar) && grammar[i] != '\n' {
				i++
			}
		case '(':
			if depth++; depth > maxGrammarDepth {
				return argument("grammar of more than %d parentheses in each other", maxGrammarDepth)
			}
		case ')':
			depth--
			element = 1 // a rule of its own
		case '{':
			n, most := 0, 0
			for i++; i < len(grammar) && grammar[i] != '}'; i++ {
				if d := grammar[i]; d >= '0' && d <= '9' {
					n = min(n*10+int(d-'0'), maxGrammarCopy)
				} else {
					n = 0
				}
				most = max(most, n)
			}
			if copies += most * max(element, 1); copies > maxGrammarCopy {
				return argument("grammar with repetitions of more than %d characters in all", maxGrammarCopy)
			}
		default:
			element = 1
		}
	}
	return nil
}
