//go:build cgo

package runtime

import (
	"errors"
	"math"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
)

// eachNumber calls try with each number of s.
func eachNumber(s *Sampling, try func(name string, v reflect.Value)) {
	v := reflect.ValueOf(s).Elem()
	for i := range v.NumField() {
		if f := v.Field(i); f.CanInt() || f.CanFloat() {
			try(v.Type().Field(i).Name, f)
		}
	}
}

func setNumber(v reflect.Value, n float64) { v.Set(reflect.ValueOf(n).Convert(v.Type())) }

func TestZeroIsTheDefaultOfEveryNumberOfSampling(t *testing.T) {
	got, err := (Sampling{Seed: new(uint32)}).withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	got.Seed = nil
	if want := DefaultSampling(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	again, err := DefaultSampling().withDefaults()
	if again.Seed = nil; err != nil || !reflect.DeepEqual(again, got) {
		t.Errorf("the defaults, given: %+v, %v", again, err)
	}
}

func TestOneRuleForNegativeNumbersOfSampling(t *testing.T) {
	var s Sampling
	mean := map[string]bool{"PenaltyLastN": true, "DRYPenaltyLastN": true, "FrequencyPenalty": true, "PresencePenalty": true}
	eachNumber(&s, func(name string, v reflect.Value) {
		for _, n := range []float64{-1, Off - 1024, -2} {
			setNumber(v, n)
			err := s.Check()
			if allowed := mean[name] && (n == -1 || n == -2 && v.CanFloat()); allowed && err != nil || !allowed && !errors.Is(err, ErrOption) {
				t.Errorf("%s of %v: %v", name, n, err)
			}
		}
		v.SetZero()
	})
}

// Off as a number turns off its step and no other.
func TestOffLeavesOutAStep(t *testing.T) {
	m, err := Open(t.Context(), filepath.FromSlash("../models/tiny/tiny-stories-f16.gguf"), Options{Load: LoadMMap})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	chain := func(s Sampling) []string {
		t.Helper()
		s, err := s.withDefaults()
		if err != nil {
			t.Fatal(err)
		}
		x, err := m.newSampler(GenerateOptions{Sampling: s})
		if err != nil {
			t.Fatal(err)
		}
		defer x.Close()
		names, err := x.Names()
		if err != nil {
			t.Fatal(err)
		}
		return names
	}
	all := Sampling{
		DynatempRange: 0.5, TypicalP: 0.9, TopNSigma: 1, XTCProbability: 0.5,
		RepeatPenalty: 1.1, FrequencyPenalty: 0.1, PresencePenalty: 0.1, DRYMultiplier: 1,
	}
	full := chain(all)
	for _, step := range []struct {
		sampler string
		fields  []string
	}{
		{"top-k", []string{"TopK"}}, {"top-p", []string{"TopP"}}, {"min-p", []string{"MinP"}}, {"typical", []string{"TypicalP"}},
		{"top-n-sigma", []string{"TopNSigma"}}, {"xtc", []string{"XTCProbability", "XTCThreshold"}},
		{"penalties", []string{"PenaltyLastN"}}, {"dry", []string{"DRYMultiplier", "DRYBase", "DRYAllowedLength", "DRYPenaltyLastN"}},
	} {
		i := slices.Index(full, step.sampler)
		if i < 0 {
			t.Fatalf("no %s in %q", step.sampler, full)
		}
		want := slices.Delete(slices.Clone(full), i, i+1)
		for _, field := range step.fields {
			s := all
			setNumber(reflect.ValueOf(&s).Elem().FieldByName(field), Off)
			if got := chain(s); !slices.Equal(got, want) {
				t.Errorf("%s: %q, want %q", field, got, want)
			}
		}
	}
	for _, field := range []string{"DynatempRange", "DynatempExponent"} {
		s := all
		setNumber(reflect.ValueOf(&s).Elem().FieldByName(field), Off)
		plain := all
		plain.DynatempRange = 0
		if got, want := chain(s), chain(plain); !slices.Equal(got, want) || slices.Equal(got, full) {
			t.Errorf("%s: %q, want %q", field, got, want)
		}
	}
	for _, field := range []string{"Mirostat", "MirostatTau", "MirostatEta"} {
		s := all
		s.Mirostat = 2
		setNumber(reflect.ValueOf(&s).Elem().FieldByName(field), Off)
		if got := chain(s); !slices.Equal(got, full) {
			t.Errorf("%s: %q, want %q", field, got, full)
		}
	}
	one := Sampling{RepeatPenalty: Off, FrequencyPenalty: Off, PresencePenalty: Off}
	if got := chain(one); slices.Contains(got, "penalties") {
		t.Errorf("without penalties: %q", got)
	}
	if got, want := chain(Sampling{Temperature: Off}), chain(Sampling{Greedy: true}); !slices.Equal(got, want) || got[len(got)-1] != "greedy" {
		t.Errorf("without temperature: %q, want %q", got, want)
	}
	// Every number is one of the above.
	var s Sampling
	eachNumber(&s, func(name string, v reflect.Value) {
		setNumber(v, Off)
		r, err := s.withDefaults()
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		eachNumber(&r, func(other string, v reflect.Value) {
			if v.CanInt() && v.Int() == Off || v.CanFloat() && (v.Float() == Off || math.IsNaN(v.Float())) {
				t.Errorf("%s: %s is %v", name, other, v)
			}
		})
		v.SetZero()
	})
}
