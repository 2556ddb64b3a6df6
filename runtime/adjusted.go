package runtime

import (
	"errors"
	"fmt"

	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/loader/memory"
)

// AdjustmentKind is what an [Adjustment] is about.
type AdjustmentKind string

// Kinds of adjustments.
const (
	AdjustedContext  AdjustmentKind = "context"
	AdjustedCache    AdjustmentKind = "cache"     // the type of the KV cache
	AdjustedUBatch   AdjustmentKind = "ubatch"    // the micro-batch
	AdjustedPageFile AdjustmentKind = "page_file" // nothing was lowered: page files have to grow
	AdjustedModel    AdjustmentKind = "model"     // passed over for a fallback
)

// Adjustment is what [Open] or [Model.NewSession] did otherwise than by default, because
// there was not enough memory, and why. As text, and in JSON, it is one line.
type Adjustment struct {
	Kind AdjustmentKind
	// What was done, without the reason: "context lowered from 4096 to 2048 tokens".
	What string
	// Err is why. Of a model that was passed over it is the error of opening it, in which
	// there is a [*memory.Error] with what would help; of others it is a
	// *memory.Error with what the default takes and the limit that leaves less.
	Err error
}

// String is What and the reason, on one line.
func (a Adjustment) String() string {
	switch {
	case a.Err == nil:
		return a.What
	case a.Kind == AdjustedModel:
		return a.What + " " + a.Err.Error()
	}
	return a.What + ": " + shortReason(a.Err)
}

// MarshalText writes what String returns.
func (a Adjustment) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// passedOver are the models that were tried before the one that is open.
func passedOver(rungs []Rung) (list []Adjustment) {
	for _, r := range rungs {
		list = append(list, Adjustment{AdjustedModel, "passed over", r.Err})
	}
	return list
}

// shortReason is an error of memory without its remedies.
func shortReason(err error) string {
	var e *memory.Error
	if !errors.As(err, &e) {
		return err.Error()
	}
	return fmt.Sprintf("%s needed, %s left (%s)", words.Size(e.Requested), words.Size(e.Available), e.Limit)
}
