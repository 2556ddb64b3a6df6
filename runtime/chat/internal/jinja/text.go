package jinja

import (
	"slices"
	"strings"
)

// Span is a range of bytes.
type Span struct{ From, To int }

// Text is a string with the ranges that users wrote, in order and without overlap.
type Text struct {
	S     string
	Marks []Span
}

// User returns a text that a user wrote.
func User(s string) Text {
	if s == "" {
		return Text{}
	}
	return Text{s, []Span{{0, len(s)}}}
}

func plain(s string) Text { return Text{S: s} }

// like returns a string that was made of t in a way that does not keep positions.
func (t Text) like(s string) Text {
	if len(t.Marks) == 0 {
		return plain(s)
	}
	return User(s)
}

// cut returns the bytes from i to j.
func (t Text) cut(i, j int) Text {
	out := Text{S: t.S[i:j]}
	if len(t.Marks) == 0 {
		return out
	}
	first, _ := slices.BinarySearchFunc(t.Marks, i, func(m Span, i int) int { return m.To - i - 1 })
	for _, m := range t.Marks[min(first, len(t.Marks)):] {
		if m.From >= j {
			break
		}
		if from, to := max(m.From, i), min(m.To, j); from < to {
			out.Marks = append(out.Marks, Span{from - i, to - i})
		}
	}
	return out
}

// writer collects a text.
type writer struct {
	b     strings.Builder
	marks []Span
}

func (w *writer) text(t Text) {
	at := w.b.Len()
	for _, m := range t.Marks {
		from, to := m.From+at, m.To+at
		if n := len(w.marks); n > 0 && w.marks[n-1].To == from {
			w.marks[n-1].To = to
			continue
		}
		w.marks = append(w.marks, Span{from, to})
	}
	w.b.WriteString(t.S)
}

func (w *writer) plain(s string) { w.b.WriteString(s) }

func (w *writer) len() int { return w.b.Len() }

func (w *writer) done() Text { return Text{w.b.String(), w.marks} }

// join returns texts one after another with a separator.
func (ev *eval) join(sep Text, parts ...Text) (Text, error) {
	n := 0
	for _, p := range parts {
		n += len(p.S) + len(sep.S) + 16*len(p.Marks)
	}
	if err := ev.bytes(n); err != nil {
		return Text{}, err
	}
	w := writer{}
	for i, p := range parts {
		if i > 0 {
			w.text(sep)
		}
		w.text(p)
	}
	return w.done(), nil
}

// replace replaces the first n occurrences of old, all if n is negative.
func (ev *eval) replace(t, old, new Text, n int) (Text, error) {
	found := strings.Count(t.S, old.S)
	if n < 0 || n > found {
		n = found
	}
	if err := ev.bytes(len(t.S) + n*(len(new.S)+16*len(new.Marks)+16)); err != nil {
		return Text{}, err
	}
	if n == 0 {
		return t, nil
	}
	w := writer{}
	at := 0
	for i := range n {
		next := at
		switch {
		case old.S != "":
			next += strings.Index(t.S[at:], old.S)
		case i > 0:
			next += runeLen(t.S[at:])
		}
		w.text(t.cut(at, next))
		w.text(new)
		at = next + len(old.S)
	}
	w.text(t.cut(at, len(t.S)))
	return w.done(), nil
}
