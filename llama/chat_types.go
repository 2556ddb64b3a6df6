package llama

import "errors"

// ErrTemplate is returned for chat templates that the engine does not recognise.
var ErrTemplate = errors.New("llama: chat template not supported")

// ChatMessage is a message of a conversation.
type ChatMessage struct {
	Role    string // "system", "user" or "assistant"; some templates know others
	Content string
}

// maxTemplate bounds chat templates, in bytes.
const maxTemplate = 1 << 20
