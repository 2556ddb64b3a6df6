// Package tiny holds the f16 original of the embedded model and the text that it was not
// trained on, for measuring. It is a package of its own so that only programs that measure
// are larger for it; the embedded model itself is in package models.
package tiny

import _ "embed" // the files

// F16 is tiny-stories-f16.gguf, of which the embedded model was made.
//
//go:embed tiny-stories-f16.gguf
var F16 string

// HeldOut is tiny-stories-heldout.txt: 300 stories that were not trained on.
//
//go:embed tiny-stories-heldout.txt
var HeldOut string
