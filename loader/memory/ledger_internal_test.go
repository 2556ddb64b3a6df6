package memory

import (
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
)

func TestLedgerKeepsExactAccounts(t *testing.T) {
	var l Ledger
	l.take(PurposeWeights, 100, 1000)
	l.take(PurposeWeights, 300, 1000)
	l.take(PurposeKV, 50, 50)
	l.give(PurposeWeights, 100, 1)
	l.retag(PurposeKV, PurposeOutput, 50, 1, 50, 50)
	l.take(PurposeCompute, 10, 20)

	u := l.Snapshot()
	for _, tt := range []struct {
		name string
		got  PurposeUsage
		want PurposeUsage
	}{
		{"current falls, peak and the largest stay", u.Of(PurposeWeights), PurposeUsage{300, 400, 1, 300, 1000}},
		{"what is given another purpose leaves the first", u.Of(PurposeKV), PurposeUsage{0, 50, 0, 50, 50}},
		{"and comes to the second with its largest", u.Of(PurposeOutput), PurposeUsage{50, 50, 1, 50, 50}},
		{"other purposes have nothing", u.Of(PurposeStaging), PurposeUsage{}},
		{"the peak of the total is not the sum of the peaks", u.Total, PurposeUsage{360, 450, 3, 300, 1000}},
		{"a purpose that there is not has nothing", u.Of(Purpose(200)), PurposeUsage{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.got != tt.want {
				t.Errorf("got %+v, want %+v", tt.got, tt.want)
			}
		})
	}
}

func TestLedgerAddsUpUnderConcurrency(t *testing.T) {
	var l Ledger
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			p := anyPurpose(i)
			for range 1000 {
				l.take(p, 4096, 4096)
				l.retag(p, PurposePool, 4096, 1, 4096, 4096)
				l.give(PurposePool, 4096, 1)
			}
		})
	}
	wg.Wait()
	ledgerEmpty(t, &l)
}

func TestNilLedgerKeepsNothing(t *testing.T) {
	var l *Ledger
	l.take(PurposeKV, 1, 1)
	l.retag(PurposeKV, PurposePool, 1, 1, 1, 1)
	l.give(PurposePool, 1, 1)
	if l.Snapshot() != (Usage{}) {
		t.Error("a nil ledger has something")
	}
}

// anyPurpose returns the purposes of allocations in turn.
func anyPurpose(i int) Purpose { return PurposeWeights + Purpose(i%int(PurposePool)) }

func TestPurposesHaveNames(t *testing.T) {
	for p := PurposeWeights; p <= PurposeOther; p++ {
		text, err := p.MarshalText()
		var back Purpose
		if err != nil || string(text) != p.String() || back.UnmarshalText(text) != nil || back != p {
			t.Errorf("%v: %q, %v, and back %v", p, text, err, back)
		}
	}
	if s := Purpose(99).String(); s != "Purpose(99)" {
		t.Error(s)
	}
}

// Neither the zero value nor a number that is none of the constants is a purpose.
func TestNoMemoryIsTakenForNoPurpose(t *testing.T) {
	var l Ledger
	a := NewArena(ArenaOptions{Ledger: &l})
	defer a.Close()
	block, err := a.AllocBlock(PurposeKV, 1)
	if err != nil {
		t.Fatal(err)
	}
	before := l.Snapshot()
	for _, p := range []Purpose{0, PurposeOther, PurposeOther + 1, 255} {
		for name, call := range map[string]func() error{
			"a block":                   func() error { _, err := a.AllocBlock(p, 1); return err },
			"a filled block":            func() error { _, err := a.AllocFilled(p, 1); return err },
			"a tag":                     func() error { return a.TagBlock(block, p) },
			"a tag of what is no block": func() error { return a.TagBlock(nil, p) },
			"mappings":                  func() error { return CheckMappings(p, 1, 1) },
			"files":                     func() error { _, err := MapFiles(&l, p, nil); return err },
		} {
			if err := call(); !errors.Is(err, ErrPurpose) || errors.Is(err, ErrInsufficientMemory) || !strings.Contains(err.Error(), p.String()) {
				t.Errorf("%s for %v: %v", name, p, err)
			}
		}
		if _, err := p.MarshalText(); (p != PurposeOther) != errors.Is(err, ErrPurpose) {
			t.Errorf("%v as text: %v", p, err)
		}
	}
	if l.Snapshot() != before {
		t.Errorf("something was taken: %+v, before %+v", l.Snapshot(), before)
	}
	for _, text := range []string{"", "KV", "Purpose(1)"} {
		p := PurposeKV
		if err := p.UnmarshalText([]byte(text)); !errors.Is(err, ErrPurpose) || p != PurposeKV {
			t.Errorf("%q: %v, %v", text, p, err)
		}
	}
	if e := (&Error{Requested: 4096}).Error(); e != "not enough memory: 4096 bytes needed" {
		t.Error(e)
	}
}

func TestUsageInJSONIsByPurpose(t *testing.T) {
	var l Ledger
	l.take(PurposeKV, 4096, 8192)
	b, err := json.Marshal(l.Snapshot())
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]map[string]uint64
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != int(PurposePool)+1 || got["kv"]["current_bytes"] != 4096 || got["total"]["largest_range_bytes"] != 8192 {
		t.Errorf("%s", b)
	}
}
