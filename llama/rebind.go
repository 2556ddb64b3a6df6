//go:build cgo

package llama

// #include "shim_layers.h"
import "C"

import "runtime"

// Rebind points the tensors of an unbound model, all of them bound by now, at what those of
// another are bound to, in the layouts that they have there: a model that was mapped as it
// is, say, at a mapping that is packed. What rows are taken of as well, such as tied
// embeddings, keeps its layout. Both models are to be of the same tensors, on no device, and
// none of m's streamed; otherwise the error is one of the engine or [ErrArgument], and
// nothing has changed.
//
// What other is bound to must stay until m has been freed; other need not. No context of m
// may compute meanwhile. Afterwards they go on with what they hold.
func (m *Model) Rebind(other *Model) error {
	for _, s := range []*modelState{m.s, other.s} {
		if err := s.life.acquire(); err != nil {
			return err
		}
		defer s.life.release()
		if s.weights == nil {
			return argument("the model was not loaded unbound")
		}
		if err := s.complete(); err != nil {
			return err
		}
	}
	if bool(C.infer_streams_any(m.s.streams)) {
		return argument("tensors of the model are streamed")
	}
	var e C.infer_error
	if !C.infer_weights_rebind(m.s.weights, other.s.weights, &e) {
		return failure("rebind", &e, nil)
	}
	m.s.rebound.Add(1)
	runtime.KeepAlive(m)
	runtime.KeepAlive(other)
	return nil
}
