package check

import (
	"fmt"
	"math"
	"strings"

	"github.com/seed7adf6694/infer/loader/gguf"
)

// Limits on counts. The engine compares all keys and all tensor names pairwise; with these numbers
// that takes a second. No known model comes near them.
const (
	maxModelKeys    = 1 << 14
	maxModelTensors = 1 << 15
)

// Model is [Engine.Model] for the engine that is compiled in.
func Model(ix *gguf.Index, warn func(format string, args ...any)) error {
	return EngineBuiltin.Model(ix, warn)
}

// Model returns an error for a model that would make the engine abort: metadata on which it asserts,
// by which it divides or from which it allocates, missing tensors that its graphs require,
// vocabularies that break its tokenisers. Errors that the engine reports itself are left to it,
// unless a better reason is cheap. What only another engine knows is an [*EngineError].
//
// The rules were found by reading the engine and by running it, in a separate process, on models
// of every architecture with one change at a time.
//
// warn is called for problems that do not prevent loading.
func (e Engine) Model(ix *gguf.Index, warn func(format string, args ...any)) error {
	if e >= engineCount {
		return fmt.Errorf("%w: %v", ErrEngine, e)
	}
	if err := few(ix, "key count", ix.KeyCount(), maxModelKeys); err != nil {
		return err
	}
	if err := few(ix, "tensor count", len(ix.Tensors()), maxModelTensors); err != nil {
		return err
	}
	rule, err := e.checkKind(ix)
	if err != nil {
		return err
	}
	if err := e.checkTypes(ix); err != nil {
		return err
	}
	for _, name := range []string{"general.name", "general.architecture"} {
		if err := checkKeyType(ix, name, gguf.ValueString); err != nil {
			return err
		}
	}
	if err := checkKeyType(ix, "general.file_type", gguf.ValueUint32); err != nil {
		return err
	}
	tokens, err := e.checkVocabulary(ix, warn)
	if err != nil {
		return err
	}
	if !ix.HasTensors() {
		return nil // of a vocabulary the engine reads nothing else
	}
	h, err := readHyperparameters(e, ix, rule)
	if err != nil {
		return err
	}
	h.tokens = tokens
	for _, check := range []func() error{h.checkExperts, h.checkAttention, h.checkWindow, h.checkPooling, h.checkNextN, h.checkTensors, h.checkV0_5} {
		if err := check(); err != nil {
			return err
		}
	}
	if rule.check != nil {
		return rule.check(h)
	}
	return nil
}

// few returns an error if there are more items than a limit.
func few(ix *gguf.Index, what string, n, limit int) error {
	if n <= limit {
		return nil
	}
	return &gguf.FormatError{File: ix.Path(), Offset: -1, Field: what, Value: fmt.Sprint(n),
		Reason: fmt.Sprintf("more than %d would take the engine minutes", limit)}
}

// otherKinds are files that are not models, by general.type.
var otherKinds = map[string]string{
	"adapter":    "this is a LoRA adapter, to be applied to a model: open the model it was made for",
	"mmproj":     "this is the projector of a multimodal model: open the language model it belongs to",
	"imatrix":    "this is an importance matrix, used when quantising",
	"controlvec": "this is a control vector, to be applied to a model",
}

// checkKind returns the rule of the file's architecture, or an error that says what the file is if it
// is not a model.
func (e Engine) checkKind(ix *gguf.Index) (*archRule, error) {
	if v, ok := ix.Lookup("general.type"); ok {
		s, isString := v.Str()
		if !isString {
			return nil, checkKeyType(ix, "general.type", gguf.ValueString)
		}
		if reason, ok := otherKinds[s]; ok {
			return nil, ix.KeyError("general.type", reason)
		}
	}
	const key = "general.architecture"
	v, ok := ix.Lookup(key)
	if !ok {
		return nil, ix.KeyError(key, "missing: every model names its architecture")
	}
	name, ok := v.Str()
	if !ok {
		return nil, checkKeyType(ix, key, gguf.ValueString)
	}
	rule, known := e.architecture(name)
	if known && rule.refused == "" {
		return &rule, nil
	}
	refused := ix.KeyError(key, rule.refused)
	if !known {
		return nil, e.unknown(refused, ErrUnsupportedArchitecture, name, func(other Engine) bool {
			rule, known := other.architecture(name)
			return known && rule.refused == ""
		})
	}
	refused.Err = ErrUnsupportedArchitecture
	return nil, refused
}

// checkTypes returns an error for tensors of types that the engine does not know.
func (e Engine) checkTypes(ix *gguf.Index) error {
	for _, t := range ix.Tensors() {
		if !e.knowsType(t.Type) {
			return e.unknown(ix.TensorError(t.Name, "of type "+t.Type.String(), ""), ErrUnsupportedType, t.Type.String(),
				func(other Engine) bool { return other.knowsType(t.Type) })
		}
	}
	return nil
}

// knowsType reports whether the engine has a type of tensors.
func (e Engine) knowsType(t gguf.Type) bool {
	switch t {
	case gguf.TypeNVFP4, gguf.TypeQ1_0, gguf.TypeQ2_0:
		return e >= EngineV0_5
	}
	return t.Valid()
}

// valueError returns an error about a key with a given value, such as an element of an array or the
// value that the engine assumes.
func valueError(ix *gguf.Index, key, value, reason string) error {
	e := ix.KeyError(key, reason)
	e.Value = value
	return e
}

func missingKey(ix *gguf.Index, key string) error {
	return ix.KeyError(key, "missing, and the engine needs it")
}

// checkKeyType returns an error if a key has another type than the engine requires. A missing key is
// no error.
func checkKeyType(ix *gguf.Index, key string, want gguf.ValueType) error {
	v, ok := ix.Lookup(key)
	if !ok || v.Type() == want {
		return nil
	}
	return ix.KeyError(key, fmt.Sprintf("of type %s, must be %s", v.Type(), want))
}

// checkArray returns an error if an array has other elements than the engine requires.
func checkArray(ix *gguf.Index, key string, v gguf.Value, elem ...gguf.ValueType) error {
	names := make([]string, len(elem))
	for i, t := range elem {
		if v.Type() == gguf.ValueArray && v.ElemType() == t {
			return nil
		}
		names[i] = t.String()
	}
	found := v.Type().String()
	if v.Type() == gguf.ValueArray {
		found = "array of " + v.ElemType().String()
	}
	return ix.KeyError(key, fmt.Sprintf("of type %s, must be an array of %s", found, strings.Join(names, " or ")))
}

// lookupUint32 returns the value of a key that must be uint32 if it is present.
func lookupUint32(ix *gguf.Index, key string) (n uint32, ok bool, err error) {
	v, ok := ix.Lookup(key)
	if !ok {
		return 0, false, nil
	}
	if err := checkKeyType(ix, key, gguf.ValueUint32); err != nil {
		return 0, false, err
	}
	u, _ := v.Uint()
	return uint32(u), true, nil
}

// perLayer returns a value that is one number for all layers or an array with a number for each.
// Negative elements become large ones, as in the engine.
func perLayer(ix *gguf.Index, key string, layers int) ([]uint32, bool, error) {
	v, ok := ix.Lookup(key)
	if !ok {
		return nil, false, nil
	}
	out := make([]uint32, layers)
	if v.Type() != gguf.ValueArray {
		n, _, err := lookupUint32(ix, key)
		for i := range out {
			out[i] = n
		}
		return out, true, err
	}
	if err := checkArray(ix, key, v, gguf.ValueUint32, gguf.ValueInt32); err != nil {
		return nil, false, err
	}
	if v.Len() != layers {
		return nil, false, ix.KeyError(key, fmt.Sprintf("has %d elements for %d layers", v.Len(), layers))
	}
	for i, n := range intsOf(v) {
		out[i] = uint32(n)
		if n < 0 {
			out[i] = math.MaxUint32
		}
	}
	return out, true, nil
}
