// Package instruct makes small models with chat templates, for tests.
package instruct

import (
	"os"

	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/gguf"
)

// ChatML is a chat template in the form of many models.
const ChatML = `{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}`

// Hermes is the form in which Qwen's models and many others think and call.
const Hermes = `{% if tools %}<tools>{% for t in tools %}{{ t | tojson }}{% endfor %}</tools>
For each function call return a JSON object within <tool_call></tool_call> tags:
<tool_call>
{"name": <function-name>, "arguments": <args-json-object>}
</tool_call>
{% endif %}{% for m in messages %}<|im_start|>{{ m.role }}
{% if m.reasoning_content %}<think>
{{ m.reasoning_content }}
</think>
{% endif %}{{ m.content }}<|im_end|>
{% endfor %}<|im_start|>assistant
`

// Write writes a copy of a model of the tiny family with chat templates by their keys, and with two
// control tokens at the end of its vocabulary: <|im_start|>, and <|im_end|>, which ends a turn.
func Write(tiny, path string, templates map[string]string) (err error) {
	ix, err := loader.Open(tiny)
	if err != nil {
		return err
	}
	defer ix.Close()
	var w gguf.Writer
	for k, v := range ix.Metadata() {
		switch k {
		case "tokenizer.ggml.tokens":
			var names []string
			for _, name := range v.Strings() {
				names = append(names, name)
			}
			copy(names[len(names)-2:], []string{"<|im_start|>", "<|im_end|>"})
			v = gguf.StringsValue(names)
		case "tokenizer.ggml.token_type":
			var list []int32
			for _, e := range v.Elems() {
				n, _ := e.Int()
				list = append(list, int32(n))
			}
			copy(list[len(list)-2:], []int32{3, 3})
			v = gguf.Int32sValue(list)
		}
		w.Add(k, v)
	}
	for k, t := range templates {
		w.Add(k, gguf.StringValue(t))
	}
	for _, x := range ix.Tensors() {
		w.AddTensor(x.Name, x.Type, x.Shape...)
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() {
		if e := f.Close(); err == nil {
			err = e
		}
	}()
	if _, err := w.WriteHeader(f); err != nil {
		return err
	}
	for _, x := range ix.Tensors() {
		b := make([]byte, x.Size+w.Padding(x.Size))
		if err := ix.ReadTensor(x, b[:x.Size], 0); err != nil {
			return err
		}
		if _, err := f.Write(b); err != nil {
			return err
		}
	}
	return nil
}
