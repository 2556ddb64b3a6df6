package schema

import (
	"math/big"
	"slices"
	"strconv"
	"strings"
)

const (
	wholeDigits  = 16  // of a number without bounds, before the point
	doubleDigits = 15  // that a float64 tells apart
	exactDigits  = 40  // most digits of bounds that are kept exactly, before and behind the point
	maxMultiple  = 500 // of the last digit; a state for each remainder
)

// numberSymbols returns what matches the numbers of a set.
func (c *converter) numberSymbols(s *numberSet, hint string) ([]symbol, error) {
	g := &c.grammar
	if s.low == nil && s.high == nil && s.multipleOf == nil {
		if s.whole {
			return []symbol{ref(g.shared("integer", func(r *rule) {
				g.add(r, raw(`"0"`))
				g.add(r, raw(`"-"? [1-9] [0-9]{0,15}`))
			}))}, nil
		}
		return []symbol{ref(g.shared("number", func(r *rule) {
			g.add(r, raw(`"-"? ("0" | [1-9] [0-9]{0,15}) ("." [0-9]{1,16})? ([eE] [+-]? [0-9]{1,2})?`))
		}))}, nil
	}
	a, err := s.automaton(&c.effort)
	if err != nil || a == nil || a.empty() {
		return nil, err
	}
	return []symbol{ref(g.automatonRules(a, hint, textMoves))}, nil
}

// decimals returns how many digits behind the point a number needs; ok is false if no number of
// digits is enough.
func decimals(x *big.Rat) (n int, ok bool) {
	d := new(big.Int).Set(x.Denom())
	for _, p := range []int64{2, 5} {
		prime, count := big.NewInt(p), 0
		for {
			q, r := new(big.Int).QuoRem(d, prime, new(big.Int))
			if r.Sign() != 0 {
				break
			}
			d, count = q, count+1
		}
		n = max(n, count)
	}
	return n, d.IsInt64() && d.Int64() == 1
}

func pow10(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

// digitsBefore returns the digits of a number before the point.
func digitsBefore(x *big.Rat) int {
	return len(new(big.Int).Quo(new(big.Int).Abs(x.Num()), x.Denom()).String())
}

// fraction returns how many digits there may be behind the point.
func (s *numberSet) fraction() (int, error) {
	if s.whole {
		return 0, nil
	}
	if s.multipleOf != nil {
		n, ok := decimals(s.multipleOf)
		if !ok || n > exactDigits {
			return 0, s.at.fail("multipleOf", "a grammar can't count in steps of %s", s.multipleOf.RatString())
		}
		return n, nil
	}
	most, before := 1, 1
	for _, x := range []*big.Rat{s.low, s.high} {
		if x == nil {
			continue
		}
		if n, ok := decimals(x); ok && n <= exactDigits {
			most = max(most, n)
		}
		before = max(before, digitsBefore(x))
	}
	return max(most, doubleDigits-before), nil
}

// bounds returns the smallest and the largest numbers of a set, in units of the last digit.
func (s *numberSet) bounds(fraction int) (low, high *big.Int) {
	unit := pow10(fraction)
	scaled := func(x *big.Rat) (floor *big.Int, exact bool) {
		n := new(big.Int).Mul(x.Num(), unit)
		q, r := new(big.Int).DivMod(n, x.Denom(), new(big.Int))
		return q, r.Sign() == 0
	}
	widest := new(big.Int).Sub(new(big.Int).Mul(pow10(wholeDigits), unit), big.NewInt(1))
	one := big.NewInt(1)
	if s.low != nil {
		floor, exact := scaled(s.low)
		low = floor
		if !exact || s.aboveLow {
			low = new(big.Int).Add(floor, one)
		}
	}
	if s.high != nil {
		floor, exact := scaled(s.high)
		high = floor
		if exact && s.belowHigh {
			high = new(big.Int).Sub(floor, one)
		}
	}
	// Without a bound, or with one of very many digits, numbers have the usual ones.
	exactly := new(big.Int).Mul(pow10(exactDigits), unit)
	if low == nil || low.CmpAbs(exactly) > 0 && low.Sign() < 0 {
		low = new(big.Int).Neg(widest)
		if high != nil && high.Cmp(low) < 0 {
			low = new(big.Int).Neg(new(big.Int).Mul(new(big.Int).Abs(high), big.NewInt(10)))
		}
	}
	if high == nil || high.CmpAbs(exactly) > 0 && high.Sign() > 0 {
		high = widest
		if low.Cmp(high) > 0 {
			high = new(big.Int).Mul(low, big.NewInt(10))
		}
	}
	return low, high
}

// automaton accepts the decimal notation of the numbers of a set; nil for no number.
func (s *numberSet) automaton(e *effort) (*automaton, error) {
	fraction, err := s.fraction()
	if err != nil {
		return nil, err
	}
	low, high := s.bounds(fraction)
	limit := new(big.Int).Mul(pow10(2*exactDigits), pow10(fraction))
	if low.CmpAbs(limit) > 0 || high.CmpAbs(limit) > 0 {
		return nil, s.at.fail("", "the bounds have more than %d digits", 2*exactDigits)
	}
	multiple := int64(1)
	if s.multipleOf != nil {
		m := new(big.Rat).Mul(s.multipleOf, new(big.Rat).SetInt(pow10(fraction)))
		// A whole number is a multiple of p/q, in lowest terms, if it is one of p.
		n := m.Num()
		if !n.IsInt64() || n.Int64() > maxMultiple {
			return nil, s.at.fail("multipleOf", "steps of %s are too many to count (at most %d of the last digit)", s.multipleOf.RatString(), maxMultiple)
		}
		multiple = n.Int64()
	}
	if low.Cmp(high) > 0 {
		return nil, nil
	}
	d := &digits{fraction: fraction, multiple: multiple, numbers: map[digitState]int{}, a: &automaton{}}
	start := d.a.fresh()
	if high.Sign() >= 0 {
		from := new(big.Int)
		if low.Sign() > 0 {
			from = low
		}
		d.magnitudes(start, from, high)
	}
	if low.Sign() < 0 {
		to, from := new(big.Int).Neg(low), big.NewInt(1)
		if high.Sign() < 0 {
			from = new(big.Int).Neg(high)
		}
		minus := d.a.fresh()
		d.a.states[start].moves = append(d.a.states[start].moves, move{'-', '-', minus})
		d.magnitudes(minus, from, to)
	}
	if err := d.fill(); err != nil {
		return nil, s.at.fail("", "%s: use closer bounds, or other steps", err)
	}
	d.a.effort = e
	a, err := d.a.determined()
	if err != nil {
		return nil, s.at.fail("", "%s", err)
	}
	return a, nil
}

// fresh adds a state.
func (a *automaton) fresh() int {
	a.states = append(a.states, state{})
	return len(a.states) - 1
}

// digits builds an automaton of decimal numbers.
type digits struct {
	fraction int   // most digits behind the point
	multiple int64 // of the last digit
	numbers  map[digitState]int
	todo     []digitState
	a        *automaton
}

// digitState is what matters of the digits that were read.
type digitState struct {
	left      int    // digits before the point that are missing
	behind    int    // digits behind the point that may follow; -1: before the point
	low, high string // what is left of the bounds, as far as the number is still equal to them; "": it is not
	remainder int64
	point     bool // a digit must follow: a point was the last character
}

// magnitudes adds the numbers of a range without their sign, behind a state.
func (d *digits) magnitudes(at int, from, to *big.Int) {
	for n := 1; ; n++ {
		least, most := new(big.Int), new(big.Int).Sub(pow10(n+d.fraction), big.NewInt(1))
		if n > 1 {
			least = pow10(n - 1 + d.fraction)
		}
		if least.Cmp(to) > 0 {
			return
		}
		if least.Cmp(from) < 0 {
			least = from
		}
		if most.Cmp(to) > 0 {
			most = to
		}
		if least.Cmp(most) > 0 {
			continue
		}
		s := digitState{left: n, behind: -1, low: padded(least, n+d.fraction), high: padded(most, n+d.fraction)}
		d.digit(at, s)
	}
}

func padded(n *big.Int, width int) string {
	s := n.String()
	return strings.Repeat("0", width-len(s)) + s
}

// digit adds the moves for one more digit behind a state.
func (d *digits) digit(at int, s digitState) {
	low, high := byte('0'), byte('9')
	if s.low != "" {
		low = s.low[0]
	}
	if s.high != "" {
		high = s.high[0]
	}
	for c := low; c <= high; c++ {
		next := s
		next.point = false
		next.remainder = (s.remainder*10 + int64(c-'0')) % d.multiple
		if s.left > 0 {
			next.left--
		} else {
			next.behind--
		}
		next.low, next.high = "", ""
		if s.low != "" && c == low && strings.Trim(s.low[1:], "0") != "" {
			next.low = s.low[1:]
		}
		if s.high != "" && c == high && strings.Trim(s.high[1:], "9") != "" {
			next.high = s.high[1:]
		}
		d.a.states[at].moves = append(d.a.states[at].moves, move{rune(c), rune(c), d.number(next)})
	}
}

func (d *digits) number(s digitState) int {
	n, ok := d.numbers[s]
	if !ok {
		n = d.a.fresh()
		d.numbers[s] = n
		d.todo = append(d.todo, s)
	}
	return n
}

// fill adds the moves of all states.
func (d *digits) fill() error {
	for i := 0; i < len(d.todo); i++ {
		if len(d.a.states) > 4*maxStates {
			return errStates
		}
		s := d.todo[i]
		at := d.numbers[s]
		switch {
		case s.left > 0:
			d.digit(at, s)
			continue
		case s.behind < 0:
			d.a.states[at].accept = d.ends(s, d.fraction)
			if d.fraction > 0 {
				next := s
				next.behind, next.point = d.fraction, true
				d.a.states[at].moves = append(d.a.states[at].moves, move{'.', '.', d.number(next)})
			}
			continue
		}
		d.a.states[at].accept = !s.point && d.ends(s, s.behind)
		if s.behind > 0 {
			d.digit(at, s)
		}
	}
	return nil
}

// ends reports whether a number may end, so that as many zeros as are left follow in its value.
func (d *digits) ends(s digitState, left int) bool {
	r := s.remainder
	for range left {
		r = r * 10 % d.multiple
	}
	return s.low == "" && r == 0 // what is left of a bound that is equal so far is not all zeros
}

// determined makes one move of moves by the same character: a number's first digit may lead to numbers of
// several lengths.
func (a *automaton) determined() (*automaton, error) {
	out := &automaton{effort: a.effort}
	numbers := map[string]int{}
	var sets [][]int
	number := func(set []int) int {
		key := ""
		for _, n := range set {
			key += strconv.Itoa(n) + ","
		}
		n, ok := numbers[key]
		if !ok {
			n = len(sets)
			numbers[key] = n
			sets = append(sets, set)
		}
		return n
	}
	number([]int{0})
	for i := 0; i < len(sets); i++ {
		if i > 8*maxStates {
			return nil, errStates
		}
		if err := a.effort.spend(20 * len(sets[i])); err != nil {
			return nil, err
		}
		var s state
		to := map[rune][]int{}
		for _, n := range sets[i] {
			s.accept = s.accept || a.states[n].accept
			for _, m := range a.states[n].moves {
				to[m.from] = append(to[m.from], m.state)
			}
		}
		for _, r := range "-.0123456789" {
			if to[r] != nil {
				s.moves = append(s.moves, move{r, r, number(sortedSet(to[r]))})
			}
		}
		out.states = append(out.states, s)
	}
	return out.trim(), nil
}

func sortedSet(set []int) []int {
	slices.Sort(set)
	return slices.Compact(set)
}
