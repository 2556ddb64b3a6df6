package talk

import (
	"io"
	"strings"

	"github.com/seed7adf6694/infer/cmd/infer/internal/texts"
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
	Terminal  bool   // Out is a terminal: what it would obey is escaped
	Colour    bool   // and shows colours
	Reasoning string // Show, Hide or Off

	thinking bool
	last     byte
	safe     texts.Stream // for terminals
}

// Write writes an event. Reasoning is dim on a terminal, and between <think> and </think> elsewhere.
func (s *Screen) Write(e answer.Event) error {
	switch e.Kind {
	case answer.Content:
		if e.Text == "" {
			return nil
		}
		return s.text(s.leave() + s.shown(e.Text))
	case answer.Reasoning:
		if s.Reasoning != Show {
			return nil
		}
		begin := ""
		if !s.thinking {
			begin = s.safe.End()
			s.thinking = true
			if s.Colour {
				begin += dim
			} else {
				begin += "<think>\n"
			}
		}
		return s.text(begin + s.shown(e.Text))
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
		return s.safe.End() + plain + "\n\n"
	}
	return s.safe.End() + "\n</think>\n\n"
}

// shown returns what is written of a model's text.
func (s *Screen) shown(text string) string {
	if s.Terminal {
		return s.safe.Push(text)
	}
	return text
}

func (s *Screen) text(text string) error {
	if text == "" {
		return nil
	}
	s.last = text[len(text)-1]
	_, err := io.WriteString(s.Out, text)
	return err
}

// End ends an answer and its line.
func (s *Screen) End() error {
	text := ""
	if s.thinking {
		text = strings.TrimSuffix(s.leave(), "\n")
	} else if text = s.safe.End(); text != "" || s.last != 0 && s.last != '\n' {
		text += "\n"
	}
	err := s.text(text)
	s.last = 0
	return err
}
