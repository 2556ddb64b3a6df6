package planview

import (
	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/runtime"
)

// pieceGroups are the groups of a plan's allocations by purpose, in the order of pictures.
func pieceGroups(p runtime.ModePlan) []pieceGroup {
	groups := []pieceGroup{{purpose: memory.PurposeWeights}, {purpose: memory.PurposeKV}, {purpose: memory.PurposeCompute}, {purpose: memory.PurposeOutput}}
	for _, x := range p.Pieces {
		for i := range groups {
			if groups[i].purpose == x.Purpose {
				groups[i].pieces = append(groups[i].pieces, x)
				groups[i].size += x.Size
			}
		}
	}
	return groups
}

type pieceGroup struct {
	purpose memory.Purpose
	pieces  []runtime.PlanPiece
	size    uint64
}

// allocations returns the sizes, in bytes, of all mappings and commits of a group.
func (g pieceGroup) allocations() []uint64 {
	var sizes []uint64
	for _, x := range g.pieces {
		sizes = append(sizes, x.Allocations...)
	}
	return sizes
}

func (g pieceGroup) label() string { return g.purpose.String() + " " + words.Size(g.size) }
