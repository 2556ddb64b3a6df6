// Package jinja renders chat templates as Jinja2 does when transformers sets it up: an immutable
// sandbox, trim_blocks, lstrip_blocks, break and continue, and the tag generation.
//
// Templates are data from strangers. A rendering is interrupted when it takes more steps, bytes or
// depth than [Limits] allow; all operations whose cost depends on data are counted before they
// begin, so that no goroutine, timer or file outlives a call. A template can reach nothing but the
// values that it is given.
//
// Texts carry marks of which bytes were written by users ([User]). Marks follow the bytes through
// slices, joins and replacements, so that the caller knows in the output which bytes are the
// template's own. Where a byte's origin is unclear, as after upper, the whole text is marked.
//
// Existing libraries give no way to bound a rendering's memory or to mark texts; see
// ARCHITECTURE.md.
package jinja
