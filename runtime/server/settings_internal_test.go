package server

import "testing"

// Alternatives of all answers together are bounded; a small number is never refused.
func TestAlternativesAreBoundedForAllAnswers(t *testing.T) {
	s := &Server{}
	if err := s.hold(200_000); err != nil {
		t.Fatal(err)
	}
	if e := asAPIError(s.hold(100_000)); e.status != 503 || e.retry == 0 || e.param != "n_probs" {
		t.Errorf("%+v", e)
	}
	for _, n := range []int{0, mostAlternatives - 200_000, 0} {
		if err := s.hold(n); err != nil {
			t.Errorf("%d: %v", n, err)
		}
	}
	s.wide.Add(-mostAlternatives)
	if err := s.hold(100_000); err != nil {
		t.Errorf("after the others: %v", err)
	}
}
