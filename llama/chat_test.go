//go:build cgo

package llama_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/llama"
)

func TestBuiltinChatTemplates(t *testing.T) {
	names := llama.BuiltinChatTemplates()
	if len(names) < 30 || !slices.IsSorted(names) {
		t.Errorf("%d names, %v", len(names), names)
	}
	for _, want := range []string{"chatml", "llama2", "llama3", "gemma", "phi3", "mistral-v7", "gpt-oss"} {
		if !slices.Contains(names, want) {
			t.Errorf("%s is missing", want)
		}
	}
	long := strings.Repeat("x", 100_000)
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			for _, chat := range [][]llama.ChatMessage{
				nil,
				{{}},
				{{Role: "user"}},
				{{Role: "nobody", Content: "x"}, {Role: "\xff\xfe", Content: "\xff"}},
				{{Role: "system", Content: " \n"}},
				{{Role: "assistant", Content: "first"}, {Role: "assistant", Content: "again"}, {Role: "tool", Content: "{}"}},
			} {
				for _, add := range []bool{false, true} {
					if _, err := llama.ApplyChatTemplate(name, chat, add); err != nil {
						t.Errorf("%q, %v: %v", chat, add, err)
					}
				}
			}
			chat := []llama.ChatMessage{{Role: "user", Content: "a question"}, {Role: "assistant", Content: long}, {Role: "user", Content: "another"}}
			text, err := llama.ApplyChatTemplate(name, chat, true)
			if err != nil {
				t.Fatal(err)
			}
			at := 0
			for _, m := range chat {
				i := strings.Index(text[at:], m.Content)
				if i < 0 {
					t.Fatalf("%.10s is not there, or not in its place", m.Content)
				}
				at += i + len(m.Content)
			}
		})
	}
}

func TestChatTemplatesAreRecognisedByTheirText(t *testing.T) {
	chat := []llama.ChatMessage{{Role: "system", Content: "Be brief."}, {Role: "user", Content: "Hello ü 😀"}, {Role: "assistant", Content: "Hi"}, {Role: "user", Content: "Bye"}}
	const chatml = "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHello ü 😀<|im_end|>\n<|im_start|>assistant\nHi<|im_end|>\n<|im_start|>user\nBye<|im_end|>\n"
	for _, tt := range []struct {
		name, template string
		add            bool
		want           string
	}{
		{"by its name", "chatml", false, chatml},
		{"with the beginning of an answer", "chatml", true, chatml + "<|im_start|>assistant\n"},
		{"by its text", "{% for m in messages %}{{'<|im_start|>' + m['role']}}{% endfor %}", true, chatml + "<|im_start|>assistant\n"},
		{"llama 3", "llama3", true, "<|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nHello ü 😀<|eot_id|>" +
			"<|start_header_id|>assistant<|end_header_id|>\n\nHi<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nBye<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"},
		{"one without system messages", "gemma", false, "<start_of_turn>user\nBe brief.\n\nHello ü 😀<end_of_turn>\n<start_of_turn>model\nHi<end_of_turn>\n<start_of_turn>user\nBye<end_of_turn>\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := llama.ApplyChatTemplate(tt.template, chat, tt.add); err != nil || got != tt.want {
				t.Errorf("%q, %v, want %q", got, err, tt.want)
			}
		})
	}
}

func TestChatTemplatesThatAreRefused(t *testing.T) {
	hello := []llama.ChatMessage{{Role: "user", Content: "Hello"}}
	huge := untouched(t, 1<<28)
	for _, tt := range []struct {
		name, template string
		chat           []llama.ChatMessage
		want           error
	}{
		{"an unknown name", "no such template", hello, llama.ErrTemplate},
		{"none", "", hello, llama.ErrTemplate},
		{"a syntax error", "{% for", hello, llama.ErrTemplate},
		{"an endless loop, which is not run", "{% for i in range(10**10) %}{% endfor %}", hello, llama.ErrTemplate},
		{"a template with a NUL", "chatml\x00", hello, llama.ErrArgument},
		{"more than a mebibyte", "chatml" + strings.Repeat(" ", 1<<20), hello, llama.ErrArgument},
		{"a role with a NUL", "chatml", []llama.ChatMessage{{Role: "us\x00er"}}, llama.ErrArgument},
		{"a message with a NUL", "chatml", []llama.ChatMessage{{Role: "user", Content: "a\x00"}}, llama.ErrArgument},
		{"a conversation of gigabytes", "chatml", []llama.ChatMessage{{Content: huge}, {Content: huge}, {Content: huge}, {Content: huge}}, llama.ErrArgument},
		{"a million empty messages and more", "chatml", make([]llama.ChatMessage, 1<<20+1), llama.ErrArgument},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if text, err := llama.ApplyChatTemplate(tt.template, tt.chat, true); !errors.Is(err, tt.want) || text != "" {
				t.Errorf("%.50q, %v, want %v", text, err, tt.want)
			}
		})
	}
}

func TestManyAndLargeMessages(t *testing.T) {
	var chat []llama.ChatMessage
	for i := range 5000 {
		chat = append(chat, llama.ChatMessage{Role: []string{"user", "assistant"}[i%2], Content: fmt.Sprint("message ", i)})
	}
	chat = append(chat, llama.ChatMessage{Role: "user", Content: strings.Repeat("ü", 4<<20)})
	for _, name := range []string{"chatml", "bailing2", "hunyuan-moe"} {
		text, err := llama.ApplyChatTemplate(name, chat, true)
		if err != nil || !strings.Contains(text, "message 4999") || !strings.Contains(text, chat[5000].Content) {
			t.Errorf("%s: %d bytes, %v", name, len(text), err)
		}
	}
}
