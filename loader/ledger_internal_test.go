package loader

import (
	"encoding/json"
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
			p := Purpose(i) % purposes
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

func TestPurposesHaveNames(t *testing.T) {
	for p := range purposes {
		if parsePurpose(p.String()) != p {
			t.Errorf("%v is not found by its name", p)
		}
	}
	if parsePurpose("CPU_something") != PurposeCompute {
		t.Error("what the engine does not name is not compute")
	}
	if s := Purpose(99).String(); s != "Purpose(99)" {
		t.Error(s)
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
	if len(got) != int(purposes)+1 || got["kv"]["current_bytes"] != 4096 || got["total"]["largest_range_bytes"] != 8192 {
		t.Errorf("%s", b)
	}
}
