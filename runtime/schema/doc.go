// Package schema turns JSON schemas into grammars, so that a model can only write JSON that a schema
// accepts.
//
// [Grammar] returns a grammar in GBNF, llama.cpp's notation, for Sampling.Grammar of package runtime:
//
//	grammar, err := schema.Grammar([]byte(`{"type": "object", "properties": {"age": {"type": "integer", "minimum": 0}}}`), schema.Options{})
//
// Every text of the grammar is valid for the schema (draft 2020-12, and what earlier drafts have
// otherwise: definitions, items as a list, exclusiveMinimum as a boolean). A keyword is obeyed, or
// refused by an [*Error] that names it; only annotations (title, description, default, examples and the
// like) are passed over. What a grammar leaves out of what a schema accepts:
//
//   - Objects have the properties that their schema names. As in llama.cpp, others are possible only
//     if additionalProperties is there, or if neither properties nor patternProperties are. The
//     same holds for arrays: behind prefixItems, more is possible only if items or minItems say so.
//   - Required properties come first, then the others, in the order in which the schema lists them.
//     Each appears once. Properties that no schema names may repeat a name, and so count as one to
//     minProperties.
//   - A schema without a type, but with keywords for some types, stands for these types: with
//     properties, for objects.
//   - Between tokens, white space is a blank, or one or two line breaks and at most twenty blanks or
//     tabs: a model can't go on with white space for ever.
//   - Whole numbers have no fraction and no exponent, and at most 16 digits unless bounds have more.
//     Numbers with bounds have no exponent, and as many digits as a float64 tells apart.
//   - Strings with a pattern or a format have no \u escapes except those that JSON requires. Formats
//     are the common part of what validators accept; names of hosts have at most six labels of 40
//     characters.
//   - Values of enum and const are written without white space.
//
// A pattern is a regular expression of ECMA-262 that needs neither memory nor looking ahead:
// references, lookarounds and \b are refused. Lengths count characters, not bytes or escapes.
//
// The package is pure Go. Its work and the size of grammars are bounded, whatever the schema.
package schema
