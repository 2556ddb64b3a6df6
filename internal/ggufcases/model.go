package ggufcases

import "iter"

// Models iterates over sound files that describe no model that the engine could load.
func Models() iter.Seq2[string, Case] { return each(nil) }
