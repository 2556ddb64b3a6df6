package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/models"
	"github.com/seed7adf6694/infer/runtime"
)

// The embedded model continues the prompt so with every engine and every kernel: rounding changes none
// of these tokens, as the types of its weights from q4_0 to f16 do not.
const (
	trialPrompt = "Once upon a time, there was a little girl named Lily. She liked to play outside in the park with her friends. One day, she saw a big monkey named Snowy who was caught"
	trialText   = ` in a net. "Please help me," said the ant. Lily stopped at once and cut the n`
	trialTokens = 24
)

// order is what the child process shall try.
type order struct {
	Engine string `json:"engine"` // for llama.UseEngine; "": the compiled-in one
}

// report is what the child process found.
type report struct {
	Trial   bool             `json:"trial"` // marks the report among lines that a library may print
	Engine  llama.EngineInfo `json:"engine"`
	Devices []llama.Device   `json:"devices"`
	Failure Failure          `json:"failure"` // "": none
	Memory  bool             `json:"memory"`  // it failed for short memory, which says nothing of the engine
	Reason  string           `json:"reason"`
}

// Trial is the child process of [Use] and [Check]: it reads what to try from in, loads that engine,
// computes with it, and writes a report to out. It must be the first use of the runtime in its process,
// and the process should end after it. An engine that fails is reported; the errors are those of reading,
// writing and ctx.
func Trial(ctx context.Context, in io.Reader, out io.Writer) error {
	var what order
	if err := json.NewDecoder(in).Decode(&what); err != nil {
		return fmt.Errorf("reading what to try: %w", err)
	}
	r := report{Trial: true}
	err := r.try(ctx, what)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		r.Reason = err.Error()
		var failed *Error
		switch {
		case errors.As(err, &failed):
			r.Failure, r.Reason = failed.Failure, failed.Reason
		case errors.Is(err, llama.ErrEngineVersion):
			// The path is in the error already.
			r.Failure, r.Reason = Version, strings.TrimPrefix(r.Reason, fmt.Sprintf("%v: %q: ", llama.ErrEngineVersion, what.Engine))
		default:
			r.Failure, r.Memory = Failed, errors.Is(err, runtime.ErrInsufficientMemory)
		}
	}
	line, err := words.EncodeJSON(r)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "\n%s\n", line)
	return err
}

// try loads the engine and computes with it.
func (r *report) try(ctx context.Context, what order) (err error) {
	if what.Engine != "" {
		if err := llama.UseEngine(what.Engine); err != nil {
			return err
		}
	}
	r.Engine = llama.Engine()
	if r.Devices, err = llama.Devices(); err != nil {
		return err
	}
	model, err := models.Tiny()
	if err != nil {
		return err
	}
	// Mapped and copied weights are computed by other functions of the engine.
	for _, load := range []runtime.LoadMode{runtime.LoadMMap, runtime.LoadCopy} {
		text, err := continued(ctx, model, load)
		if err != nil {
			return err
		}
		if text != trialText {
			return &Error{Failure: WrongText, Reason: fmt.Sprintf("it computes a wrong text with the embedded model (%s): %s", load, words.Literal(text))}
		}
	}
	return nil
}

// continued returns the greedy continuation of the prompt.
func continued(ctx context.Context, model string, load runtime.LoadMode) (string, error) {
	session := runtime.SessionOptions{Context: 128, Threads: 1}
	m, err := runtime.Open(ctx, model, runtime.Options{Load: load, Packed: runtime.PackedOff, MaxMemory: runtime.MaxMemoryOff, Session: session})
	if err != nil {
		return "", err
	}
	defer m.Close()
	s, err := m.NewSession(ctx, session)
	if err != nil {
		return "", err
	}
	defer s.Close()
	var text strings.Builder
	for t, err := range s.Generate(ctx, trialPrompt, runtime.GenerateOptions{MaxTokens: trialTokens, Sampling: runtime.Sampling{Greedy: true}}) {
		if err != nil {
			return "", err
		}
		text.WriteString(t.Text)
	}
	return text.String(), nil
}
