package schema

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// Bounds on automata.
const (
	maxStates   = 4000 // of an automaton
	maxMoves    = 200_000
	maxMinimise = 2_000_000 // moves that are compared to minimise one; if it takes more, it stays as it is
)

// automaton is a deterministic finite automaton over characters. State 0 is the start. Where there is
// no move, the text is not accepted.
type automaton struct {
	states []state
	effort *effort // of the schema; nil: not counted
}

type state struct {
	accept bool
	moves  []move // sorted and disjoint
}

type move struct {
	from, to rune
	state    int
}

// lastRune is the last character.
const lastRune = '\U0010FFFF'

// characters are the ranges of all characters: UTF-8 has no surrogates.
var characters = []move{{0, 0xD7FF, 0}, {0xE000, lastRune, 0}}

// anyText accepts everything.
func anyText() *automaton { return &automaton{states: []state{{true, characters}}} }

// literal accepts one text.
func literal(s string) *automaton {
	a := &automaton{}
	for _, r := range s {
		a.states = append(a.states, state{moves: []move{{r, r, len(a.states) + 1}}})
	}
	a.states = append(a.states, state{accept: true})
	return a
}

// lengths accepts texts of min to max characters; max -1 is no bound.
func lengths(min, max int) *automaton {
	a := &automaton{}
	for n := 0; n <= min || n <= max; n++ {
		s := state{accept: n >= min}
		for _, c := range characters {
			to := n + 1
			if max < 0 && n == min {
				to = n
			}
			if max < 0 || n < max {
				s.moves = append(s.moves, move{c.from, c.to, to})
			}
		}
		a.states = append(a.states, s)
	}
	return a
}

// errStates is the error of an automaton with too many states.
var errStates = fmt.Errorf("it needs an automaton of more than %d states, or %d moves", maxStates, maxMoves)

// maxEffort bounds the work for a schema: a second or two.
const maxEffort = 30_000_000

// effort is the work that may still be done for a schema, in steps of its loops. nil is no bound.
type effort struct{ left int }

var errEffort = errors.New("its patterns, numbers and lists take too much work: use fewer, or simpler ones")

// spend counts n steps.
func (e *effort) spend(n int) error {
	if e == nil {
		return nil
	}
	if e.left -= n; e.left < 0 {
		return errEffort
	}
	return nil
}

// spent reports whether no work is left.
func (e *effort) spent() bool { return e != nil && e.left < 0 }

// combine returns an automaton that accepts what keep says of what a and b accept. keep(false, false)
// must be false.
func combine(a, b *automaton, keep func(a, b bool) bool) (*automaton, error) {
	type pair struct{ a, b int } // -1: nothing is accepted any more
	c := &automaton{effort: a.effort}
	if c.effort == nil {
		c.effort = b.effort
	}
	numbers := map[pair]int{}
	var pairs []pair
	number := func(p pair) int {
		n, ok := numbers[p]
		if !ok {
			n = len(pairs)
			numbers[p] = n
			pairs = append(pairs, p)
		}
		return n
	}
	number(pair{0, 0})
	moves := 0
	for i := 0; i < len(pairs); i++ {
		if i >= maxStates || moves > maxMoves {
			return nil, errStates
		}
		p := pairs[i]
		x, y := a.at(p.a), b.at(p.b)
		s := state{accept: keep(x.accept, y.accept)}
		if err := c.effort.spend(1 + 4*len(x.moves) + 4*len(y.moves)); err != nil {
			return nil, err
		}
		for _, cut := range overlay(x.moves, y.moves) {
			to := pair{cut.x, cut.y}
			if to.a < 0 && !keep(false, true) || to.b < 0 && !keep(true, false) {
				continue
			}
			s.moves = append(s.moves, move{cut.from, cut.to, number(to)})
		}
		moves += len(s.moves)
		c.states = append(c.states, s)
	}
	return c.trim(), nil
}

func (a *automaton) at(n int) state {
	if n < 0 {
		return state{}
	}
	return a.states[n]
}

type overlaid struct {
	from, to rune
	x, y     int // states, -1 for none
}

// overlay splits the moves of two states where either changes.
func overlay(x, y []move) (cuts []overlaid) {
	var edges []rune
	for _, m := range slices.Concat(x, y) {
		edges = append(edges, m.from, m.to+1)
	}
	slices.Sort(edges)
	edges = slices.Compact(edges)
	// to returns where a character leads; characters are asked for in order.
	to := func(moves *[]move, r rune) int {
		for len(*moves) > 0 && (*moves)[0].to < r {
			*moves = (*moves)[1:]
		}
		if len(*moves) > 0 && (*moves)[0].from <= r {
			return (*moves)[0].state
		}
		return -1
	}
	for i := 0; i+1 < len(edges); i++ {
		c := overlaid{edges[i], edges[i+1] - 1, to(&x, edges[i]), to(&y, edges[i])}
		if c.x >= 0 || c.y >= 0 {
			cuts = append(cuts, c)
		}
	}
	return cuts
}

func both(a, b *automaton) (*automaton, error) {
	return combine(a, b, func(x, y bool) bool { return x && y })
}

func either(a, b *automaton) (*automaton, error) {
	return combine(a, b, func(x, y bool) bool { return x || y })
}

// without accepts what a accepts and b does not.
func without(a, b *automaton) (*automaton, error) {
	return combine(a, b, func(x, y bool) bool { return x && !y })
}

// empty reports whether nothing is accepted, if the automaton is trimmed.
func (a *automaton) empty() bool { return len(a.states[0].moves) == 0 && !a.states[0].accept }

// accepts runs the automaton.
func (a *automaton) accepts(s string) bool {
	at := 0
next:
	for _, r := range s {
		for _, m := range a.states[at].moves {
			if m.from <= r && r <= m.to {
				at = m.state
				continue next
			}
		}
		return false
	}
	return a.states[at].accept
}

// trim removes states from which nothing is accepted, and minimises what is left.
func (a *automaton) trim() *automaton {
	users := make([][]int, len(a.states))
	live := make([]bool, len(a.states))
	var queue []int
	for i, s := range a.states {
		for _, m := range s.moves {
			users[m.state] = append(users[m.state], i)
		}
		if s.accept {
			live[i] = true
			queue = append(queue, i)
		}
	}
	for len(queue) > 0 {
		i := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		for _, u := range users[i] {
			if !live[u] {
				live[u] = true
				queue = append(queue, u)
			}
		}
	}
	live[0] = true
	for i := range a.states {
		a.states[i].moves = slices.DeleteFunc(slices.Clone(a.states[i].moves), func(m move) bool { return !live[m.state] })
	}
	return a.merge(a.classes())
}

// classes numbers the states so that equivalent ones have the same number, if that is not too much work.
func (a *automaton) classes() []int {
	class := make([]int, len(a.states))
	for i, s := range a.states {
		if s.accept {
			class[i] = 1
		}
	}
	for count, work := 0, 0; ; {
		numbers := map[string]int{}
		next := make([]int, len(class))
		for i, s := range a.states {
			key := strconv.AppendInt(nil, int64(class[i]), 10)
			for _, m := range joined(s.moves, class) {
				for _, n := range []int64{int64(m.from), int64(m.to), int64(m.state)} {
					key = strconv.AppendInt(append(key, ' '), n, 10)
				}
			}
			n, ok := numbers[string(key)]
			if !ok {
				n = len(numbers)
				numbers[string(key)] = n
			}
			next[i] = n
			if work += 1 + len(s.moves); work > maxMinimise || a.effort.spend(3*(1+len(s.moves))) != nil {
				for k := range class {
					class[k] = k
				}
				return class
			}
		}
		class = next
		if len(numbers) == count {
			return class
		}
		count = len(numbers)
	}
}

// joined returns moves to classes of states, neighbouring ranges as one.
func joined(moves []move, class []int) []move {
	var out []move
	for _, m := range moves {
		to := class[m.state]
		if n := len(out); n > 0 && out[n-1].state == to && out[n-1].to+1 == m.from {
			out[n-1].to = m.to
		} else {
			out = append(out, move{m.from, m.to, to})
		}
	}
	return out
}

// merge makes one state of each class of states that can be reached.
func (a *automaton) merge(class []int) *automaton {
	numbers := map[int]int{class[0]: 0}
	first := []int{0} // a state of each new one
	c := &automaton{effort: a.effort}
	for i := 0; i < len(first); i++ {
		s := a.states[first[i]]
		moves := joined(s.moves, class)
		for k, m := range s.moves {
			if _, ok := numbers[class[m.state]]; !ok {
				numbers[class[m.state]] = len(first)
				first = append(first, s.moves[k].state)
			}
		}
		for k := range moves {
			moves[k].state = numbers[moves[k].state]
		}
		slices.SortFunc(moves, func(x, y move) int { return cmp.Compare(x.from, y.from) })
		c.states = append(c.states, state{s.accept, moves})
	}
	return c
}
