package llama

import "slices"

const (
	// maxGrammarSteps bounds the ways that a rule can begin in: all are looked at whenever
	// the matcher comes to the rule.
	maxGrammarSteps = 1 << 15
	// maxGrammarChain bounds how many rules those ways go through one after the other.
	maxGrammarChain = 4000
)

// begin is what is known of the walk through the beginnings of a rule.
type begin struct {
	steps uint64 // ways to come to a rule
	empty uint64 // ways in which the rule takes nothing
	depth int    // of rules in each other
}

// check refuses rules that are missing, and a rule that can come to itself without having
// taken a character, unless it is only repeated what has taken nothing: that is the same
// again, and the matcher leaves it alone.
func (g *grammar) check(root string) error {
	if len(g.rules) == 0 {
		return argument("grammar: no rules")
	}
	for _, name := range []string{root, "root"} { // llama.cpp insists on the second
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

// name returns a rule's name: of a group or repetition that of the rule that it is in.
func (g *grammar) name(id int) string {
	for name, i := range g.ids {
		if i == g.owners[id] {
			return name
		}
	}
	return ""
}

// emptyRules finds the rules that can take nothing.
func (g *grammar) emptyRules() []bool {
	empty := make([]bool, len(g.rules))
	users := make([][]int32, len(g.rules)) // rules that refer to one
	for id, rule := range g.rules {
		for _, e := range rule {
			if u := users[e.ruleOr(0)]; e.kind == elementRule && (len(u) == 0 || u[len(u)-1] != int32(id)) {
				users[e.value] = append(u, int32(id))
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

// ruleOr is the rule that an element refers to, or another number.
func (e element) ruleOr(none uint32) uint32 {
	if e.kind == elementRule {
		return e.value
	}
	return none
}

func canBeEmpty(rule []element, empty []bool) bool {
	possible := true
	for _, e := range rule {
		switch {
		case e.kind == elementEnd:
			if possible {
				return true
			}
			possible = true
		case e.kind != elementRule || !empty[e.value]:
			possible = false
		}
	}
	return false
}

// firstRule says that a rule can begin with another one.
type firstRule struct {
	id    int
	first bool // nothing is before it, not even what may be empty
	last  bool // nothing is behind it
}

// firstRules lists the rules that one can begin with.
func (g *grammar) firstRules(id int, empty []bool) (list []firstRule) {
	possible, first := true, true
	rule := g.rules[id]
	for i, e := range rule {
		switch {
		case e.kind == elementEnd:
			possible, first = true, true
			continue
		case possible && e.kind == elementRule:
			list = append(list, firstRule{int(e.value), first, rule[i+1].kind == elementEnd})
			possible = empty[e.value]
		default:
			possible = false
		}
		first = false
	}
	return list
}

// checkRecursion refuses recursion that grows, or that is nothing but itself.
func (g *grammar) checkRecursion(empty []bool) error {
	firsts := make([][]firstRule, len(g.rules))
	for id := range g.rules {
		firsts[id] = g.firstRules(id, empty)
	}
	group := components(firsts, func(firstRule) bool { return true })
	alone := components(firsts, func(f firstRule) bool { return f.first })
	for id := range g.rules {
		for _, f := range firsts[id] {
			if group[f.id] == group[id] && !f.last || f.first && alone[f.id] == alone[id] {
				return argument("grammar: rule %q is left-recursive: it can come to itself before a character is taken", g.name(id))
			}
		}
	}
	return nil
}

// components numbers the rules so that those have the same number that can begin with each
// other: Tarjan's algorithm, without recursion.
func components(firsts [][]firstRule, counts func(firstRule) bool) []int {
	n := len(firsts)
	number, low, group := make([]int, n), make([]int, n), make([]int, n)
	next := make([]int, n) // of firsts, to look at
	var path, open []int
	count := 0
	for root := range n {
		if number[root] != 0 {
			continue
		}
		path = append(path, root)
		for len(path) > 0 {
			id := path[len(path)-1]
			if number[id] == 0 {
				count++
				number[id], low[id] = count, count
				open = append(open, id)
			}
			if next[id] < len(firsts[id]) {
				f := firsts[id][next[id]]
				next[id]++
				switch {
				case !counts(f):
				case number[f.id] == 0:
					path = append(path, f.id)
				case group[f.id] == 0:
					low[id] = min(low[id], number[f.id])
				}
				continue
			}
			path = path[:len(path)-1]
			if len(path) > 0 {
				above := path[len(path)-1]
				low[above] = min(low[above], low[id])
			}
			if low[id] < number[id] {
				continue
			}
			for {
				last := open[len(open)-1]
				open = open[:len(open)-1]
				group[last] = number[id]
				if last == id {
					break
				}
			}
		}
	}
	return group
}

// walk counts the ways in which a rule can begin. One that it comes to again has been
// counted.
func (g *grammar) walk(id int, empty []bool, done []begin, state []uint8, depth int) error {
	if state[id] != 0 {
		return nil
	}
	if depth > maxGrammarChain {
		return argument("grammar: rule %q begins with more than %d rules in each other", g.name(id), maxGrammarChain)
	}
	state[id] = 1
	var total begin
	rule := g.rules[id]
	for len(rule) > 0 {
		end := slices.IndexFunc(rule, func(e element) bool { return e.kind == elementEnd })
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
	for n < len(seq) && seq[n].kind == elementRule {
		n++
		if !empty[seq[n-1].value] {
			break
		}
	}
	b := begin{steps: 1, empty: 1}
	if n < len(seq) {
		b.empty = 0
	}
	for i := n - 1; i >= 0; i-- {
		if err := g.walk(int(seq[i].value), empty, done, state, depth+1); err != nil {
			return b, err
		}
		r := done[seq[i].value]
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
