package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/runtime"
)

// flagOf returns the flag or command that applies a remedy for short memory, or "" if there is
// none.
func flagOf(r memory.Remedy) string {
	switch r.Kind {
	case memory.RemedyMap:
		return "--load mmap"
	case memory.RemedyChunked:
		return "--load mmap or --load copy"
	case memory.RemedyNoRepack:
		return "--no-repack"
	case memory.RemedyQuantise:
		if r.Type != "" {
			return "infer quantize --type " + r.Type
		}
	case memory.RemedyChunkSize, memory.RemedyLargerChunk:
		return "--chunk-size"
	case memory.RemedyBudget:
		return "--max-memory"
	case memory.RemedyPool, memory.RemedySmallerPool, memory.RemedyNoPool:
		return "--pool"
	case memory.RemedyContext:
		return fmt.Sprintf("--ctx-size %d", r.Tokens)
	case memory.RemedyCache:
		return fmt.Sprintf("--cache-type-k %s --cache-type-v %s", r.Type, r.Type)
	case memory.RemedyBatch:
		if r.Tokens > 0 {
			return fmt.Sprintf("--ubatch-size %d", r.Tokens)
		}
		return "--ubatch-size"
	case memory.RemedyGPULayers:
		return "--gpu-layers"
	case memory.RemedyFlashAttention:
		return "--flash-attn on"
	}
	return ""
}

// remedyTexts returns the texts of remedies with their flags.
func remedyTexts(remedies []memory.Remedy) []string {
	texts := make([]string, len(remedies))
	for i, r := range remedies {
		texts[i] = r.Text(flagOf)
	}
	return texts
}

// withFlags returns an error's text, in which the remedies of memory errors have their flags.
func withFlags(err error) string { return addFlags(err.Error(), err) }

// adjustments returns a line for each adjustment that was made because memory was short, with the
// flags of the remedies.
func adjustments(list []runtime.Adjustment) []string {
	lines := make([]string, len(list))
	for i, a := range list {
		lines[i] = addFlags(a.String(), a.Err)
	}
	return lines
}

// addFlags adds the flags of the remedies to a text that contains the error's text.
func addFlags(text string, err error) string {
	for _, e := range memoryErrors(err) {
		text = strings.Replace(text, e.Error(), e.Text(flagOf), 1)
	}
	return text
}

// memoryErrors returns the memory errors within an error, in the order of its text: of each
// fallback and each load mode that was tried.
func memoryErrors(err error) (list []*memory.Error) {
	var fallback *runtime.FallbackError
	if errors.As(err, &fallback) {
		for _, r := range fallback.Rungs {
			list = append(list, memoryErrors(r.Err)...)
		}
		return list
	}
	var refused *memory.Error
	if errors.As(err, &refused) {
		list = append(list, refused)
	}
	var load *runtime.LoadError
	if errors.As(err, &load) {
		for _, tried := range load.Tried {
			list = append(list, memoryErrors(tried)...)
		}
	}
	return list
}

// jsonPlan is a forecast whose remedies have their flags.
type jsonPlan struct {
	*runtime.Forecast
	Modes []jsonModePlan `json:"modes"`
}

type jsonModePlan struct {
	runtime.ModePlan
	Remedies []string `json:"remedies"`
}

func planJSON(f *runtime.Forecast) jsonPlan {
	p := jsonPlan{Forecast: f, Modes: []jsonModePlan{}}
	for _, m := range f.Modes {
		p.Modes = append(p.Modes, jsonModePlan{m, remedyTexts(m.Remedies)})
	}
	return p
}
