package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// make.ps1 does for Windows what the Makefile does: what it takes from there must be there,
// and what it repeats must be the same.
func TestTheScriptForWindowsFollowsTheMakefile(t *testing.T) {
	read := func(path string) string {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	script, makefile := read("../../make.ps1"), read("../../Makefile")
	if i := strings.IndexFunc(script, func(r rune) bool { return r > '~' }); i >= 0 {
		t.Errorf("byte %d of make.ps1 is no ASCII: PowerShell 5.1 takes it for the system's code page", i)
	}
	for _, m := range regexp.MustCompile(`Get-MakeVariable '(\w+)'`).FindAllStringSubmatch(script, -1) {
		if !regexp.MustCompile(`(?m)^` + m[1] + `\s*:?=`).MatchString(makefile) {
			t.Errorf("the Makefile has no %s", m[1])
		}
	}
	for _, flags := range []string{"-O3 -march=native", "-DGGML_USE_CPU_REPACK -DINFER_CPU="} {
		if !strings.Contains(script, flags) || !strings.Contains(makefile, flags) {
			t.Errorf("not in both: %s", flags)
		}
	}
	test := regexp.MustCompile(`(?s)\ntest:.*?\n\n`).FindString(makefile)
	for _, m := range regexp.MustCompile(`\$\(GO\) ((?:test|build) .*)`).FindAllStringSubmatch(test, -1) {
		words := "@('" + strings.Join(strings.Fields(m[1]), "', '") + "')"
		if !strings.Contains(script, words) {
			t.Errorf("make test runs go %s, and make.ps1 does not: %s", m[1], words)
		}
	}
}
