package talk

import (
	"io"
	"strings"

	"github.com/seed7adf6694/infer/runtime/chat/answer"
)

// Modes of showing what a model thinks.
const (
	Show = "show"
	Hide = "hide"
	Off  = "off" // the model is asked not to think
)

const (
	dim   = "\x1b[2m"
	plain = "\x1b[0m"
)

// Screen writes an answer.
type Screen struct {
	Out       io.Writer
	Colour    bool   // Out is a terminal
	Reasoning string // Show, Hide or Off

	thinking bool
	last     byte
}

// Write writes an event. Reasoning is dim on a terminal, and between <think> and </think> elsewhere.
func (s *Screen) Write(e answer.Event) error {
	switch e.Kind {
	case answer.Content:
		if e.Text == "" {
			return nil
		}
		return s.text(s.leave() + e.Text)
	case answer.Reasoning:
		if s.Reasoning != Show {
			return nil
		}
		begin := ""
		if !s.thinking {
			s.thinking = true
			if begin = "<think>\n"; s.Colour {
				begin = dim
			}
		}
		return s.text(begin + e.Text)
	}
	return nil
}

// leave returns what ends reasoning.
func (s *Screen) leave() string {
	if !s.thinking {
		return ""
	}
	s.thinking = false
	if s.Colour {
		return plain + "\n\n"
	}
	return "\n</think>\n\n"
}

func (s *Screen) text(text string) error {
	s.last = text[len(text)-1]
	_, err := io.WriteString(s.Out, text)
	return err
}

// End ends an answer and its line.
func (s *Screen) End() error {
	text := ""
	if s.thinking {
		text = strings.TrimSuffix(s.leave(), "\n")
	} else if s.last != 0 && s.last != '\n' {
		text = "\n"
	}
	s.last = 0
	if text == "" {
		return nil
	}
	_, err := io.WriteString(s.Out, text)
	return err
}
