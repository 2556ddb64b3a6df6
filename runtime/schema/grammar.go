package schema

import "cmp"

// Options are the options of [Grammar]. The zero value is the default.
type Options struct {
	// Compact leaves out white space between tokens.
	Compact bool

	// MaxBytes bounds the size of the grammar; 0 is 512 KiB. The engine takes 1 MiB at most.
	MaxBytes int

	// Work is what is left of the work for several schemas, as those of the tools of a request; nil: this
	// one has all of it.
	Work *Work
}

// Work bounds the work for schemas that belong together. The zero value is what one schema may take. It is
// not safe for concurrent use.
type Work struct{ done int }

// Root is the start rule of grammars.
const Root = "root"

// Grammar returns a grammar in GBNF, with the start rule [Root], for the JSON texts that are valid for
// a JSON schema; the package's documentation says which of them. The error is an [*Error]: the schema is
// no schema, has a keyword that a grammar can't obey, is valid for no value, or needs too large a
// grammar. Grammar is safe for concurrent use.
// It takes two seconds at most.
func Grammar(schema []byte, o Options) (string, error) {
	v, err := parse(schema)
	if err != nil {
		return "", err
	}
	o.MaxBytes = cmp.Or(o.MaxBytes, 512<<10)
	if o.Work == nil {
		o.Work = &Work{}
	}
	c := &converter{root: v, options: o, known: map[*value][]branch{}, memo: map[string][]branch{}, grammar: newGrammar(o), patterns: map[string]*automaton{}, effort: effort{maxEffort - o.Work.done}}
	defer func() { o.Work.done = maxEffort - c.effort.left }()
	g := &c.grammar
	g.names[Root]++
	root := g.define(Root)
	name, err := c.rule([]*value{v}, "value", v)
	if err != nil && c.effort.spent() { // whatever it was taken for
		return "", v.fail("", "%s", errEffort)
	}
	if err != nil {
		return "", err
	}
	g.add(root, ref(name))
	if !g.prune(Root) {
		return "", v.fail("", "no value is valid for it")
	}
	text := g.write(Root)
	if len(text) > o.MaxBytes {
		return "", v.fail("", "its grammar has %d bytes (at most %d): make it simpler", len(text), o.MaxBytes)
	}
	return text, nil
}

// rule returns the rule for the values that are valid for all of some schemas. at is the schema to
// blame, hint what to call the rule.
func (c *converter) rule(schemas []*value, hint string, at *value) (string, error) {
	g := &c.grammar
	schemas, err := c.normal(schemas)
	if err != nil {
		return "", err
	}
	k := key(schemas)
	if name, ok := c.rules[k]; ok {
		return name, nil
	}
	if g.tooLarge() {
		return "", c.root.fail("", "its grammar has more than %d rules, or %d symbols: make it simpler", maxRules, maxElements)
	}
	if c.depth++; c.depth > 5*maxDepth {
		return "", at.fail("", "schemas are nested deeper than %d levels", 5*maxDepth)
	}
	defer func() { c.depth-- }()
	if len(schemas) == 0 {
		hint = "any"
	}
	name := g.unique(hint)
	if c.rules == nil {
		c.rules = map[string]string{}
	}
	c.rules[k] = name
	r := g.define(name)
	branches, err := c.branches(schemas)
	if err != nil {
		return "", err
	}
	if len(schemas) == 1 {
		at = schemas[0]
	}
	for i := range branches {
		if err := c.branch(r, &branches[i], at); err != nil {
			return "", err
		}
	}
	return name, nil
}

// branch adds the alternatives of a branch to a rule.
func (c *converter) branch(r *rule, b *branch, at *value) error {
	g := &c.grammar
	if b.listed {
		for _, v := range b.only {
			g.add(r, literalSymbol(v))
		}
		return nil
	}
	t := b.meant()
	for _, word := range []struct {
		is   types
		text string
	}{{isNull, "null"}, {isFalse, "false"}, {isTrue, "true"}} {
		if t&word.is != 0 {
			g.add(r, lit(word.text))
		}
	}
	for _, part := range []struct {
		is      types
		symbols func() ([]symbol, error)
	}{
		{isString, func() ([]symbol, error) { return c.stringSymbols(&b.str, at, r.name+"-text") }},
		{isNumber, func() ([]symbol, error) { return c.numberSymbols(&b.num, r.name+"-number") }},
		{isArray, func() ([]symbol, error) { return c.arraySymbols(&b.arr, r.name, at) }},
		{isObject, func() ([]symbol, error) { return c.objectSymbols(&b.obj, r.name, at) }},
	} {
		if t&part.is == 0 {
			continue
		}
		symbols, err := part.symbols()
		if err != nil {
			return err
		}
		if symbols != nil {
			g.add(r, symbols...)
		}
	}
	return nil
}
