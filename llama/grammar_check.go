package llama

import "slices"

const (
	// maxGrammarSteps bounds the steps of the engine's walk to the characters that a
	// rule can begin with, which it takes whenever it comes to one. It compares each way
	// that it finds with all before: a tenth of a second for as many as this, minutes
	// for a million.
	maxGrammarSteps = 1 << 15
	// maxGrammarChain bounds how deep that walk recurses, a few hundred bytes each time.
	maxGrammarChain = 4000
)

// begin is what is known of the walk through the beginnings of a rule.
type begin struct {
	steps uint64 // calls of the engine's function
	empty uint64 // ways in which the rule takes nothing
	depth int    // of the recursion
}

// check refuses rules that are missing and recursion that would not end: a rule that
// can come to itself without having taken a character. The engine's own check does not
// see that where what precedes is empty by way of other rules, and takes exponential
// time for some grammars.
func (g *grammar) check(root string) error {
	if len(g.rules) == 0 {
		return argument("grammar: no rules")
	}
	for _, name := range []string{root, "root"} { // the engine insists on the second
		if id, ok := g.ids[name]; !ok || g.rules[id] == nil {
			return argument("grammar: no rule %q", name)
		}
	}
	for id, rule := range g.rules {
		if rule == nil {
			return argument("grammar: no rule %q", g.name(id))
		}
	}
	empty := g.emptyRules()
	done := make([]begin, len(g.rules))
	state := make([]uint8, len(g.rules)) // 1: in progress, 2: done
	for id := range g.rules {
		if state[id] == 0 {
			if err := g.walk(id, empty, done, state, 0); err != nil {
				return err
			}
		}
	}
	return nil
}

// name returns a rule's name: of a group or repetition that of the nearest rule that
// was named before.
func (g *grammar) name(id int) string {
	name, nearest := "", -1
	for n, i := range g.ids {
		if i <= id && i > nearest {
			name, nearest = n, i
		}
	}
	return name
}

// emptyRules finds the rules that can take nothing.
func (g *grammar) emptyRules() []bool {
	empty := make([]bool, len(g.rules))
	users := make([][]int32, len(g.rules)) // rules that refer to one
	for id, rule := range g.rules {
		for _, e := range rule {
			if e >= 0 && (len(users[e]) == 0 || users[e][len(users[e])-1] != int32(id)) {
				users[e] = append(users[e], int32(id))
			}
		}
	}
	var queue []int32
	for id := range g.rules {
		queue = append(queue, int32(id))
	}
	for len(queue) > 0 {
		id := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		if !empty[id] && canBeEmpty(g.rules[id], empty) {
			empty[id] = true
			queue = append(queue, users[id]...)
		}
	}
	return empty
}

func canBeEmpty(rule []element, empty []bool) bool {
	possible := true
	for _, e := range rule {
		switch {
		case e == elementEnd:
			if possible {
				return true
			}
			possible = true
		case e == elementTerminal || !empty[e]:
			possible = false
		}
	}
	return false
}

// walk goes to all that a rule can begin with, as the engine will.
func (g *grammar) walk(id int, empty []bool, done []begin, state []uint8, depth int) error {
	switch {
	case state[id] == 2:
		return nil
	case state[id] == 1:
		return argument("grammar: rule %q is left-recursive: it can come to itself before a character is taken", g.name(id))
	case depth > maxGrammarChain:
		return argument("grammar: rule %q begins with more than %d rules in each other", g.name(id), maxGrammarChain)
	}
	state[id] = 1
	var total begin
	rule := g.rules[id]
	for len(rule) > 0 {
		end := slices.Index(rule, elementEnd)
		one, err := g.walkSequence(rule[:end], empty, done, state, depth)
		if err != nil {
			return err
		}
		total = begin{add(total.steps, one.steps), add(total.empty, one.empty), max(total.depth, one.depth)}
		rule = rule[end+1:]
	}
	total.depth++
	if total.steps > maxGrammarSteps || total.depth > maxGrammarChain {
		return argument("grammar: rule %q can begin in more than %d ways, or %d rules deep", g.name(id), maxGrammarSteps, maxGrammarChain)
	}
	done[id], state[id] = total, 2
	return nil
}

func (g *grammar) walkSequence(seq []element, empty []bool, done []begin, state []uint8, depth int) (begin, error) {
	// Up to the first that takes something; from there back, since what follows is
	// walked once for each way in which what precedes is empty.
	n := 0
	for n < len(seq) && seq[n] >= 0 {
		n++
		if !empty[seq[n-1]] {
			break
		}
	}
	b := begin{steps: 1, empty: 1}
	if n < len(seq) {
		b.empty = 0
	}
	for i := n - 1; i >= 0; i-- {
		if err := g.walk(int(seq[i]), empty, done, state, depth+1); err != nil {
			return b, err
		}
		r := done[seq[i]]
		b = begin{add(1, r.steps, mul(r.empty, b.steps)), mul(r.empty, b.empty), r.depth + b.depth}
	}
	return b, nil
}

// add and mul stop at a number beyond every limit.
func add(n ...uint64) uint64 {
	sum := uint64(0)
	for _, v := range n {
		sum = min(sum+v, 1<<40)
	}
	return sum
}

func mul(a, b uint64) uint64 {
	if a != 0 && b > (1<<40)/a {
		return 1 << 40
	}
	return min(a*b, 1<<40)
}
