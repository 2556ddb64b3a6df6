// Package tiny embeds the f16 original of the embedded model, and text that it was not trained on, for
// measurements. It is a separate package so that only programs that import it grow; the
// embedded model itself is in package models.
package tiny

import _ "embed" // the files

// F16 is tiny-stories-f16.gguf, from which the embedded model was quantised.
//
//go:embed tiny-stories-f16.gguf
var F16 string

// HeldOut is tiny-stories-heldout.txt: 300 stories that were not in the training data.
//
//go:embed tiny-stories-heldout.txt
var HeldOut string
