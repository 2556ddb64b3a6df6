package chat

import (
	"errors"
	"fmt"

	"github.com/seed7adf6694/infer/runtime/chat/internal/jinja"
)

// Errors of templates.
var (
	// ErrNoTemplate is returned by [ForModel] for a model without a template.
	ErrNoTemplate = errors.New("the model has no chat template")
	// ErrTemplate is returned for a template that is not valid, or that can't be rendered. errors.As
	// to [*TemplateError] gives the line.
	ErrTemplate = errors.New("chat template")
	// ErrRefused is returned where a template refuses a conversation, for example two messages of a user
	// in a row. It is an [ErrTemplate] too.
	ErrRefused = errors.New("the chat template refuses the conversation")
	// ErrTooLong is returned by [Conversation.Ask] if the last message does not fit into the context, even
	// without all turns before it.
	ErrTooLong = errors.New("the message is too long")
	// ErrNothingAsked is returned by [Conversation.Regenerate] without a user's message.
	ErrNothingAsked = errors.New("there is no message to answer")
)

// TemplateError is an error at a line of a template.
type TemplateError struct {
	Line  int    // from 1
	Cause string // as Jinja2 says it, or what the template says
	// Refused is set if the template itself has raised the error, and Limit if the template takes more
	// than is allowed.
	Refused, Limit bool
}

func (e *TemplateError) Error() string {
	return fmt.Sprintf("chat template, line %d: %s", e.Line, e.Cause)
}

// Is makes the error an ErrTemplate, and an ErrRefused if it is one.
func (e *TemplateError) Is(target error) bool {
	return target == ErrTemplate || target == ErrRefused && e.Refused
}

func templateError(err error) error {
	var e *jinja.Error
	if errors.As(err, &e) {
		return &TemplateError{Line: e.Line, Cause: e.Reason, Refused: errors.Is(e, jinja.ErrRaised), Limit: errors.Is(e, jinja.ErrLimit)}
	}
	return err
}
