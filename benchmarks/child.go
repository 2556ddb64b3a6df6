package benchmarks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/seed7adf6694/infer/internal/memtest"
)

// ChildArgument is the first argument of a process that has to call [Child].
const ChildArgument = "bench-child"

// Child is the process of one case: it reads the case from in, runs it and writes what it
// finds to out. A case that fails is no error, but a line of its own. The error is that
// of reading or writing.
func Child(ctx context.Context, in io.Reader, out io.Writer) error {
	var j job
	if err := json.NewDecoder(in).Decode(&j); err != nil {
		return fmt.Errorf("%s: reading the case: %w", ChildArgument, err)
	}
	run := jobs()[j.Do]
	if run == nil {
		return fmt.Errorf("%s: no case is called %q", ChildArgument, j.Do)
	}
	r := reporter{in: in, out: json.NewEncoder(out)}
	last := message{End: true}
	if err := run(ctx, j, &r); err != nil {
		last.Error = err.Error()
		if un := (*memtest.Unsupported)(nil); errors.As(err, &un) {
			last.Missing = un.Missing
		}
	}
	r.send(last)
	return r.err
}

// jobs are what a process can be asked to do.
func jobs() map[string]func(context.Context, job, *reporter) error {
	return map[string]func(context.Context, job, *reporter) error{
		"generate":   generate,
		"memory":     measureMemory,
		"pair":       measurePair,
		"hold":       hold,
		"carved":     carved,
		"disk":       measureDisk,
		"perplexity": measurePerplexity,
		"speed":      measureSpeed,
		"contend":    contend,
		"streams":    streamsBeside,
		"spin":       spin,
	}
}

// reporter writes messages and keeps the first error.
type reporter struct {
	in   io.Reader // what follows the job
	out  *json.Encoder
	err  error
	said time.Time // how far it is
}

func (r *reporter) send(m message) {
	if r.err == nil {
		r.err = r.out.Encode(m)
	}
}

func (r *reporter) metrics(m map[string]float64) { r.send(message{Metrics: m}) }
func (r *reporter) note(text string)             { r.send(message{Note: text}) }

// phasePeriod is how often a process says how far it is: seldom enough not to be seen in
// what it measures.
const phasePeriod = 500 * time.Millisecond

// phase says how far the process is, now and then; with nothing done, at once.
func (r *reporter) phase(name string, done, total uint64) {
	if now := time.Now(); done == 0 || now.Sub(r.said) >= phasePeriod {
		r.said = now
		r.send(message{Phase: name, Done: done, Total: total})
	}
}
