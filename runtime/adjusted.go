package runtime

import (
	"errors"
	"fmt"

	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/loader/memory"
)

// AdjustmentKind is the subject of an [Adjustment].
type AdjustmentKind string

// Kinds of adjustments.
const (
	AdjustedContext  AdjustmentKind = "context"
	AdjustedCache    AdjustmentKind = "cache"     // the type of the KV cache
	AdjustedUBatch   AdjustmentKind = "ubatch"    // the micro-batch
	AdjustedPageFile AdjustmentKind = "page_file" // page files have to grow; nothing was lowered
	AdjustedModel    AdjustmentKind = "model"     // a fallback was opened instead
)

// Adjustment is a difference from the defaults that [Open] or [Model.NewSession] chose because
// there was not enough memory. As text, and in JSON, it is one line with the reason.
type Adjustment struct {
	Kind AdjustmentKind
	// What was done, without the reason: "context lowered from 4096 to 2048 tokens".
	What string
	// Err is the reason. With AdjustedModel it is the error of opening the model, which wraps
	// a [*memory.Error] with remedies. Otherwise it is a *memory.Error with the memory for
	// the default and the limit that it exceeds.
	Err error
}

// String returns What and the reason on one line.
func (a Adjustment) String() string {
	switch {
	case a.Err == nil:
		return a.What
	case a.Kind == AdjustedModel:
		return a.What + " " + a.Err.Error()
	}
	return a.What + ": " + shortReason(a.Err)
}

// MarshalText returns the same text as String.
func (a Adjustment) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// passedOver returns an adjustment for each model that was tried before the open one.
func passedOver(rungs []Rung) (list []Adjustment) {
	for _, r := range rungs {
		list = append(list, Adjustment{AdjustedModel, "passed over", r.Err})
	}
	return list
}

// shortReason returns an error's text, a *memory.Error's without its remedies.
func shortReason(err error) string {
	var e *memory.Error
	if !errors.As(err, &e) {
		return err.Error()
	}
	return fmt.Sprintf("%s needed, %s left (%s)", words.Size(e.Requested), words.Size(e.Available), e.Limit)
}
