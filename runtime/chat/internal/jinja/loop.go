package jinja

type forStmt struct {
	target          target
	over, cond      expr
	body, otherwise []stmt
	recursive       bool
	line            int
}

func (n *forStmt) at() int { return n.line }

// loop is the variable of that name.
type loop struct {
	items   []Value
	at      int
	depth   int
	changed *List // the last arguments of changed
	again   func(ev *eval, over Value) (Value, error)
}

func (n *forStmt) run(ev *eval) error {
	over, err := ev.value(n.over)
	if err != nil {
		return err
	}
	return n.each(ev, ev.scope, over, 0)
}

func (n *forStmt) each(ev *eval, outer *scope, over Value, depth int) error {
	items, err := ev.iterate(over)
	if err != nil {
		return err
	}
	was := ev.scope
	defer func() { ev.scope = was }()
	if n.cond != nil {
		var kept []Value
		for _, item := range items {
			ev.scope = &scope{outer: outer}
			if err := n.target.assign(ev, ev.scope, item); err != nil {
				return err
			}
			v, err := ev.value(n.cond)
			if err != nil {
				return err
			}
			if truth(v) {
				kept = append(kept, item)
			}
		}
		items = kept
	}
	l := &loop{items: items, depth: depth}
	if n.recursive {
		l.again = func(ev *eval, over Value) (Value, error) {
			out := ev.out
			ev.out = &writer{}
			err := n.each(ev, outer, over, depth+1)
			w := ev.out
			ev.out = out
			return w.done(), err
		}
	}
	for i, item := range items {
		l.at = i
		ev.scope = &scope{names: map[string]Value{"loop": l}, outer: outer}
		err := n.target.assign(ev, ev.scope, item)
		if err == nil {
			err = ev.run(n.body)
		}
		if err == errBreak {
			return nil
		}
		if err != nil && err != errContinue {
			return err
		}
	}
	ev.scope = outer
	if len(items) == 0 {
		return ev.run(n.otherwise)
	}
	return nil
}

// attr returns an attribute of loop.
func (l *loop) attr(name string) (Value, bool) {
	n := len(l.items)
	switch name {
	case "index":
		return int64(l.at + 1), true
	case "index0":
		return int64(l.at), true
	case "revindex":
		return int64(n - l.at), true
	case "revindex0":
		return int64(n - l.at - 1), true
	case "first":
		return l.at == 0, true
	case "last":
		return l.at == n-1, true
	case "length":
		return int64(n), true
	case "depth":
		return int64(l.depth + 1), true
	case "depth0":
		return int64(l.depth), true
	case "previtem":
		if l.at > 0 {
			return l.items[l.at-1], true
		}
		return &undefined{"there is no previous item"}, true
	case "nextitem":
		if l.at+1 < n {
			return l.items[l.at+1], true
		}
		return &undefined{"there is no next item"}, true
	case "cycle":
		return &function{"cycle", func(_ *eval, a *args) (Value, error) {
			if len(a.list) == 0 {
				return nil, failf("no items for cycling given")
			}
			return a.list[l.at%len(a.list)], nil
		}}, true
	case "changed":
		return &function{"changed", func(ev *eval, a *args) (Value, error) {
			now := &List{Items: a.list}
			if l.changed != nil {
				if same, err := ev.equal(l.changed, now, 0); err != nil || same {
					return false, err
				}
			}
			l.changed = now
			return true, nil
		}}, true
	}
	return nil, false
}
