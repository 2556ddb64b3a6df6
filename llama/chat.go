//go:build cgo

package llama

// #include "engine_table.h"
import "C"

import (
	"math"
	"slices"
	"unsafe"
)

// ApplyChatTemplate formats a conversation with a chat template: llama_chat_apply_template. The
// template is a name of [BuiltinChatTemplates], or the text of a template (see
// [Model.ChatTemplate]). The text is not executed: the engine recognises known templates by their
// content, and others are [ErrTemplate]. addAssistant appends the beginning of the assistant's next
// message.
func ApplyChatTemplate(template string, messages []ChatMessage, addAssistant bool) (string, error) {
	if err := start(); err != nil {
		return "", err
	}
	if len(template) > maxTemplate {
		return "", argument("chat template of %d bytes is too long (at most %d)", len(template), maxTemplate)
	}
	total := 0
	for _, m := range messages {
		// Each template adds less than 1 KiB per message.
		total += len(m.Role) + len(m.Content) + 1<<10
	}
	if total > math.MaxInt32/2 {
		return "", argument("conversation of about %d bytes is too long (at most %d)", total, math.MaxInt32/2)
	}
	tmpl, err := cString(template)
	if err != nil {
		return "", err
	}
	defer C.free(unsafe.Pointer(tmpl))

	chat := (*C.llama_chat_message)(C.calloc(C.size_t(len(messages)+1), C.sizeof_llama_chat_message))
	list := unsafe.Slice(chat, len(messages))
	defer func() {
		for _, m := range list {
			C.free(unsafe.Pointer(m.role))
			C.free(unsafe.Pointer(m.content))
		}
		C.free(unsafe.Pointer(chat))
	}()
	for i, m := range messages {
		if list[i].role, err = cString(m.Role); err != nil {
			return "", err
		}
		if list[i].content, err = cString(m.Content); err != nil {
			return "", err
		}
	}

	buf := make([]byte, 1<<10+2*total)
	for {
		var e C.infer_error
		n := int(C.infer_chat(tmpl, chat, C.size_t(len(messages)), C.bool(addAssistant), (*C.char)(unsafe.Pointer(&buf[0])), C.int32_t(min(len(buf), math.MaxInt32)), &e))
		switch {
		case e.kind != C.INFER_OK:
			return "", failure("llama_chat_apply_template", &e, nil)
		case n < 0:
			return "", ErrTemplate
		case n <= len(buf):
			return string(buf[:n]), nil
		}
		buf = make([]byte, n)
	}
}

// BuiltinChatTemplates lists the names of the templates that the engine knows, in
// alphabetical order: llama_chat_builtin_templates.
func BuiltinChatTemplates() []string {
	if start() != nil {
		return nil
	}
	n := C.infer_llama_chat_builtin_templates(nil, 0)
	list := make([]*C.char, max(n, 1))
	n = C.infer_llama_chat_builtin_templates(&list[0], C.size_t(n))
	names := make([]string, n)
	for i := range names {
		names[i] = C.GoString(list[i])
	}
	slices.Sort(names)
	return names
}
