package gbnf

import "fmt"

// firstRule is a rule with which another rule can begin.
type firstRule struct {
	id    int
	first bool // it is the first element; no empty elements precede it
	last  bool // it is the last element
}

// firstRules lists the rules with which a rule can begin.
func (g *Grammar) firstRules(id int, empty []bool) (list []firstRule) {
	possible, first := true, true
	rule := g.rules[id]
	for i, e := range rule {
		switch {
		case e.Kind == End:
			possible, first = true, true
			continue
		case possible && e.Kind == Rule:
			list = append(list, firstRule{int(e.Value), first, rule[i+1].Kind == End})
			possible = empty[e.Value]
		default:
			possible = false
		}
		first = false
	}
	return list
}

// checkRecursion refuses left recursion, and rules that consist only of themselves.
func (g *Grammar) checkRecursion(empty []bool) error {
	firsts := make([][]firstRule, len(g.rules))
	for id := range g.rules {
		firsts[id] = g.firstRules(id, empty)
	}
	group := components(firsts, func(firstRule) bool { return true })
	alone := components(firsts, func(f firstRule) bool { return f.first })
	for id := range g.rules {
		for _, f := range firsts[id] {
			if group[f.id] == group[id] && !f.last || f.first && alone[f.id] == alone[id] {
				return &Error{Problem: Recursion, Rule: g.name(id), Reason: fmt.Sprintf("rule %q is left-recursive: it can reach itself without consuming a character", g.name(id))}
			}
		}
	}
	return nil
}

// components numbers the strongly connected components of the relation "can begin with": Tarjan's
// algorithm, without recursion.
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
