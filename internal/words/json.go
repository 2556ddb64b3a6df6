package words

import (
	"bytes"
	"encoding/json"
)

// EncodeJSON encodes one value on one line, without escapes for HTML. An encoder that calls it by
// MarshalJSON adds those if it is set to.
func EncodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return b.Bytes(), err
}
