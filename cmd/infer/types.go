package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/seed7adf6694/infer/llama"
)

func listTypes(w io.Writer, json bool) error {
	if json {
		return writeJSON(w, map[string][]string{"types": llama.FileTypes()})
	}
	_, err := fmt.Fprintln(w, strings.Join(llama.FileTypes(), "\n"))
	return err
}

// checkType refuses the name of a type that is none. What the engine has a reason of
// its own against is left to it.
func checkType(name string) error {
	low := strings.ToLower(name)
	known := append(llama.FileTypes(), "q3_k", "q4_k", "q5_k") // short for the medium ones
	if slices.Contains(known, low) || strings.HasPrefix(low, "iq") {
		return nil
	}
	if s := suggest(low, known); s != "" {
		return usagef("unknown type %q (did you mean %s?)", name, s)
	}
	return usagef("unknown type %q; 'infer quantize --list' lists them", name)
}
