//go:build cgo

package llama

// #include "engine_table.h"
import "C"

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unsafe"
)

// quantizable are the types that ggml_quantize_chunk writes without an importance
// matrix.
var quantizable = map[string]bool{"f32": true, "f16": true, "bf16": true, "q4_0": true, "q4_1": true, "q5_0": true, "q5_1": true, "q8_0": true,
	"q2_K": true, "q3_K": true, "q4_K": true, "q5_K": true, "q6_K": true, "iq4_nl": true, "iq4_xs": true, "iq3_s": true, "iq3_xxs": true, "iq2_s": true,
	"iq1_m": true, "tq1_0": true, "tq2_0": true, "mxfp4": true}

// tensorTypes is the number of types that the engine knows: ggml_type is less.
func tensorTypes() TensorType { return TensorType(C.infer_type_count()) }

// ParseTensorType returns the tensor type of a name such as "q8_0", in upper or lower case. For a
// type that rows cannot be quantised to it returns an [ErrArgument].
func ParseTensorType(name string) (TensorType, error) {
	var names []string
	for t := range tensorTypes() {
		n := t.String()
		if !quantizable[n] {
			continue
		}
		if strings.EqualFold(n, name) {
			return t, nil
		}
		names = append(names, n)
	}
	return 0, invalid("tensor type", strconv.Quote(name), "is not supported: use one of %s", strings.Join(names, ", "))
}

// String is the type's name: ggml_type_name.
func (t TensorType) String() string {
	if t >= tensorTypes() {
		return fmt.Sprintf("TensorType(%d)", uint32(t))
	}
	return C.GoString(C.infer_ggml_type_name(C.enum_ggml_type(t)))
}

// QuantizeRows quantises rows of rowLen numbers each to a tensor type: ggml_quantize_chunk. Rows
// must consist of whole blocks of the type, and numbers must be finite; types that need an
// importance matrix are refused. It is safe for concurrent use.
func QuantizeRows(typ TensorType, src []float32, rowLen int) ([]byte, error) {
	if err := start(); err != nil {
		return nil, err
	}
	if typ >= tensorTypes() {
		return nil, invalid("tensor type", uint32(typ), "out of range (0 to %d)", tensorTypes()-1)
	}
	t := C.enum_ggml_type(typ)
	name := typ.String()
	if !quantizable[name] || bool(C.infer_ggml_quantize_requires_imatrix(t)) {
		return nil, argument("rows cannot be quantised to type %d (%s): use one that ParseTensorType returns", typ, name)
	}
	if block := int(C.infer_ggml_blck_size(t)); rowLen <= 0 || len(src)%rowLen != 0 || rowLen%block != 0 {
		return nil, argument("%d numbers in rows of %d: need whole rows of a multiple of %d numbers (the block size of %s)", len(src), rowLen, block, name)
	}
	for i, v := range src {
		if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
			return nil, argument("number %d is %g: use finite numbers", i, v)
		}
	}
	if len(src) == 0 {
		return nil, nil
	}
	rows := len(src) / rowLen
	dst := make([]byte, int(C.infer_ggml_row_size(t, C.int64_t(rowLen)))*rows)
	var e C.infer_error
	n := C.infer_quantize_rows(t, (*C.float)(&src[0]), unsafe.Pointer(&dst[0]), C.int64_t(rows), C.int64_t(rowLen), &e)
	if e.kind != C.INFER_OK || int(n) != len(dst) {
		return nil, failure("ggml_quantize_chunk", &e, nil)
	}
	return dst, nil
}

// ValidRows tells whether the numbers in rows of a tensor type are finite, as far as the type can store
// others: ggml_validate_row_data, which also writes the place of the first to standard error. data must
// have whole blocks of the type. It is safe for concurrent use.
func ValidRows(typ TensorType, data []byte) (bool, error) {
	if err := start(); err != nil {
		return false, err
	}
	if typ >= tensorTypes() {
		return false, invalid("tensor type", uint32(typ), "out of range (0 to %d)", tensorTypes()-1)
	}
	block := int(C.infer_ggml_type_size(C.enum_ggml_type(typ)))
	if block == 0 || len(data)%block != 0 {
		return false, argument("%d bytes of rows: need whole blocks of %d bytes (type %s)", len(data), block, typ)
	}
	if len(data) == 0 {
		return true, nil
	}
	return bool(C.infer_ggml_validate_row_data(C.enum_ggml_type(typ), unsafe.Pointer(&data[0]), C.size_t(len(data)))), nil
}
