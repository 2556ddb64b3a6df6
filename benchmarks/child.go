package benchmarks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/llama"
)

// ChildArgument is the first argument of a process that must call [Child].
const ChildArgument = "bench-child"

// Child runs one case in the child process: it reads the case from in, uses the engine of the parent,
// runs the case and writes messages to out. A case that fails is reported as a message. Child returns only errors of reading and
// writing.
func Child(ctx context.Context, in io.Reader, out io.Writer) error {
	var j job
	if err := json.NewDecoder(in).Decode(&j); err != nil {
		return fmt.Errorf("%s: reading the case: %w", ChildArgument, err)
	}
	run := jobs()[j.Do]
	if run == nil {
		return fmt.Errorf("%s: unknown job %q: use the same version of the program for parent and child", ChildArgument, j.Do)
	}
	r := reporter{in: in, out: json.NewEncoder(out)}
	last := message{End: true}
	var err error
	if j.Engine != "" {
		err = llama.UseEngine(j.Engine)
	}
	if err == nil {
		err = run(ctx, j, &r)
	}
	if err != nil {
		last.Error = err.Error()
		if un := (*memtest.Unsupported)(nil); errors.As(err, &un) {
			last.Missing = un.Missing
		}
	}
	r.send(last)
	return r.err
}

// jobs are the functions that a child process can run, by name.
func jobs() map[string]func(context.Context, job, *reporter) error {
	return map[string]func(context.Context, job, *reporter) error{
		"generate":   generate,
		"prompt":     measurePrompt,
		"memory":     measureMemory,
		"pair":       measurePair,
		"hold":       hold,
		"carved":     carved,
		"disk":       measureDisk,
		"perplexity": measurePerplexity,
		"speed":      measureSpeed,
		"speed-peer": measurePeer,
		"contend":    contend,
		"streams":    streamsBeside,
		"spin":       spin,
		"serve":      measureServer,
	}
}

// reporter writes messages and keeps the first error. Not safe for concurrent use.
type reporter struct {
	in   io.Reader // input after the job
	out  *json.Encoder
	err  error
	said time.Time // progress
}

func (r *reporter) send(m message) {
	if r.err == nil {
		r.err = r.out.Encode(m)
	}
}

func (r *reporter) metrics(m map[string]float64) { r.send(message{Metrics: m}) }
func (r *reporter) note(text string)             { r.send(message{Note: text}) }

// phasePeriod is the interval between two reports of progress: long enough not to disturb the
// measurement.
const phasePeriod = 500 * time.Millisecond

// phase reports progress, at most once per phasePeriod; the beginning of a phase (done == 0) is
// reported at once.
func (r *reporter) phase(name string, done, total uint64) {
	if now := time.Now(); done == 0 || now.Sub(r.said) >= phasePeriod {
		r.said = now
		r.send(message{Phase: name, Done: done, Total: total})
	}
}
