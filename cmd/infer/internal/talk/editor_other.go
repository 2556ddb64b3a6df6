//go:build !unix

package talk

import "github.com/peterh/liner"

type editor = liner.State

func newEditor() *editor { return liner.NewLiner() }
