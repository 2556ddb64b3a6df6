package gbnf

import (
	"fmt"
	"slices"
)

const (
	// maxSteps bounds the number of ways in which a rule can begin: the matcher expands all of them
	// when it enters the rule.
	maxSteps = 1 << 15
	// maxChain bounds the depth of nested rules in such a way.
	maxChain = 4000
)

// begin has the results of the walk through the beginnings of a rule.
type begin struct {
	steps uint64 // number of ways to enter a rule
	empty uint64 // number of ways in which the rule is empty
	depth int    // depth of nested rules
}

// check refuses undefined rules and left recursion: a rule that can reach itself without consuming
// a character. A repetition of something empty is accepted: it leads to the same state again, which
// the matcher drops.
func (g *Grammar) check(root string) error {
	if len(g.rules) == 0 {
		return &Error{Problem: Missing, Reason: "no rules: define at least the rule root"}
	}
	for _, name := range []string{root, "root"} { // llama.cpp requires root
		if id, ok := g.ids[name]; !ok || g.rules[id] == nil {
			return noRule(name, "")
		}
	}
	for id, rule := range g.rules {
		if rule == nil {
			return noRule(g.name(id), ", which others refer to")
		}
	}
	empty := g.emptyRules()
	if err := g.checkRecursion(empty); err != nil {
		return err
	}
	done := make([]begin, len(g.rules))
	state := make([]uint8, len(g.rules)) // 1: in progress, 2: done
	for id := range g.rules {
		if err := g.walk(id, empty, done, state, 0); err != nil {
			return err
		}
	}
	return nil
}

func noRule(name, why string) error {
	return &Error{Problem: Missing, Rule: name, Reason: fmt.Sprintf("no rule %q%s: define it", name, why)}
}

func tooDeep(name string) error {
	return &Error{Problem: Limit, Rule: name, Limit: maxChain, Reason: fmt.Sprintf("rule %q begins with more than %d nested rules", name, maxChain)}
}

// name returns a rule's name. For a group or repetition it is the name of the enclosing rule.
func (g *Grammar) name(id int) string {
	for name, i := range g.ids {
		if i == g.owners[id] {
			return name
		}
	}
	return ""
}

// emptyRules finds the rules that can be empty.
func (g *Grammar) emptyRules() []bool {
	empty := make([]bool, len(g.rules))
	users := make([][]int32, len(g.rules)) // rules that refer to a rule
	for id, rule := range g.rules {
		for _, e := range rule {
			if u := users[e.ruleOr(0)]; e.Kind == Rule && (len(u) == 0 || u[len(u)-1] != int32(id)) {
				users[e.Value] = append(u, int32(id))
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

// ruleOr returns the rule that an element refers to, or the given number.
func (e Element) ruleOr(none uint32) uint32 {
	if e.Kind == Rule {
		return e.Value
	}
	return none
}

func canBeEmpty(rule []Element, empty []bool) bool {
	possible := true
	for _, e := range rule {
		switch {
		case e.Kind == End:
			if possible {
				return true
			}
			possible = true
		case e.Kind != Rule || !empty[e.Value]:
			possible = false
		}
	}
	return false
}

// walk counts the ways in which a rule can begin. Rules that it reaches again are counted once.
func (g *Grammar) walk(id int, empty []bool, done []begin, state []uint8, depth int) error {
	if state[id] != 0 {
		return nil
	}
	if depth > maxChain {
		return tooDeep(g.name(id))
	}
	state[id] = 1
	var total begin
	rule := g.rules[id]
	for len(rule) > 0 {
		end := slices.IndexFunc(rule, func(e Element) bool { return e.Kind == End })
		one, err := g.walkSequence(rule[:end], empty, done, state, depth)
		if err != nil {
			return err
		}
		total = begin{add(total.steps, one.steps), add(total.empty, one.empty), max(total.depth, one.depth)}
		rule = rule[end+1:]
	}
	total.depth++
	if total.steps > maxSteps {
		return &Error{Problem: Limit, Rule: g.name(id), Limit: maxSteps, Reason: fmt.Sprintf("rule %q can begin in more than %d ways", g.name(id), maxSteps)}
	}
	if total.depth > maxChain {
		return tooDeep(g.name(id))
	}
	done[id], state[id] = total, 2
	return nil
}

func (g *Grammar) walkSequence(seq []Element, empty []bool, done []begin, state []uint8, depth int) (begin, error) {
	// Walk up to the first element that is not empty, from the last to the first: what follows
	// counts once for each way in which the elements before are empty.
	n := 0
	for n < len(seq) && seq[n].Kind == Rule {
		n++
		if !empty[seq[n-1].Value] {
			break
		}
	}
	b := begin{steps: 1, empty: 1}
	if n < len(seq) {
		b.empty = 0
	}
	for i := n - 1; i >= 0; i-- {
		if err := g.walk(int(seq[i].Value), empty, done, state, depth+1); err != nil {
			return b, err
		}
		r := done[seq[i].Value]
		b = begin{add(1, r.steps, mul(r.empty, b.steps)), mul(r.empty, b.empty), r.depth + b.depth}
	}
	return b, nil
}

// add and mul saturate at a number above every limit.
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
