package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/models"
	"github.com/seed7adf6694/infer/runtime"
	"github.com/seed7adf6694/infer/runtime/chat"
	"github.com/seed7adf6694/infer/runtime/schema"
)

// apiError is an error as the API reports it: OpenAI's form, with figures for programs.
type apiError struct {
	status  int
	kind    string // type
	code    string
	param   string // the field of the request; "" if it is none
	message string
	retry   time.Duration // Retry-After; 0: none
	figures map[string]any
}

func (e *apiError) Error() string { return e.message }

// Kinds of errors: OpenAI's names.
const (
	kindRequest     = "invalid_request_error"
	kindAuth        = "authentication_error"
	kindNotFound    = "not_found_error"
	kindRate        = "rate_limit_error"
	kindServer      = "server_error"
	kindUnavailable = "unavailable_error"
)

// badField returns the error of a field that is wrong.
func badField(param, format string, args ...any) *apiError {
	return &apiError{status: http.StatusBadRequest, kind: kindRequest, code: "invalid_value", param: param, message: param + ": " + fmt.Sprintf(format, args...)}
}

// unsupported returns the error of a field that is not supported.
func unsupported(param, reason string) *apiError {
	e := badField(param, "%s", reason)
	e.code = "unsupported_value"
	return e
}

// unavailable returns the error of a request that can be sent again later.
func unavailable(code, message string, retry time.Duration) *apiError {
	return &apiError{status: http.StatusServiceUnavailable, kind: kindUnavailable, code: code, message: message, retry: retry}
}

// tooLong returns the error of a prompt that does not fit.
func tooLong(message string, tokens, context int) *apiError {
	return &apiError{status: http.StatusBadRequest, kind: kindRequest, code: "context_length_exceeded", param: "messages", message: message,
		figures: map[string]any{"n_prompt_tokens": tokens, "n_ctx": context}}
}

// MarshalJSON writes OpenAI's object, with figures where there are some.
func (e *apiError) MarshalJSON() ([]byte, error) {
	o := map[string]any{"message": e.message, "type": e.kind, "param": nil, "code": nil}
	if e.param != "" {
		o["param"] = e.param
	}
	if e.code != "" {
		o["code"] = e.code
	}
	for k, v := range e.figures {
		o[k] = v
	}
	return json.Marshal(o)
}

// body is the whole body of an answer.
func (e *apiError) body() any { return map[string]any{"error": e} }

// asAPIError translates errors of the packages below.
func asAPIError(err error) *apiError {
	var (
		api     *apiError
		queue   *runtime.QueueError
		full    *runtime.ContextError
		refused *memory.Error
		option  *runtime.OptionError
		grammar *llama.GrammarError
		bad     *schema.Error
		missing *models.NotFoundError
		task    *runtime.TaskError
	)
	message := err.Error()
	switch {
	case errors.As(err, &api):
		return api
	case errors.As(err, &queue):
		return &apiError{status: http.StatusTooManyRequests, kind: kindRate, code: "queue_full", message: message, retry: queue.RetryAfter,
			figures: map[string]any{"waiting": queue.Waiting, "queue": queue.Queue}}
	case errors.As(err, &full):
		return tooLong(message, full.Tokens, full.Context)
	case errors.Is(err, runtime.ErrInsufficientMemory):
		e := unavailable("insufficient_memory", message, 5*time.Second)
		if errors.As(err, &refused) {
			e.figures = map[string]any{"requested_bytes": refused.Requested, "available_bytes": refused.Available, "limit": refused.Limit}
		}
		return e
	case errors.As(err, &grammar):
		return badField("grammar", "%s", message)
	case errors.As(err, &bad):
		return badField("response_format", "%s", message)
	case errors.Is(err, runtime.ErrTooMuch):
		return &apiError{status: http.StatusUnprocessableEntity, kind: kindRequest, code: "grammar_too_complex", param: "grammar", message: message}
	case errors.Is(err, runtime.ErrNoChoice):
		return &apiError{status: http.StatusUnprocessableEntity, kind: kindRequest, code: "no_token_left", message: message}
	case errors.As(err, &option) && option.Option != "":
		return badField(fieldOf(option.Option), "%s", message)
	case errors.Is(err, runtime.ErrOption):
		return &apiError{status: http.StatusBadRequest, kind: kindRequest, code: "invalid_value", message: message}
	case errors.Is(err, chat.ErrTemplate): // the template has refused the conversation
		return badField("messages", "%s", message)
	case errors.As(err, &task):
		return badField("model", "%s", message)
	case errors.As(err, &missing):
		return &apiError{status: http.StatusNotFound, kind: kindNotFound, code: "model_not_found", param: "model", message: message}
	case errors.Is(err, loader.ErrFileChanged):
		return unavailable("model_changed", "the model's file has changed since it was opened: the next request opens it again", time.Second)
	case errors.Is(err, fs.ErrNotExist): // it was there when the request was read
		return &apiError{status: http.StatusNotFound, kind: kindNotFound, code: "model_not_found", param: "model", message: "model: its file has gone"}
	case errors.Is(err, runtime.ErrClosed):
		return unavailable("closed", "the model was closed while it computed", time.Second)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return unavailable("cancelled", "the request was cancelled", time.Second)
	}
	return &apiError{status: http.StatusInternalServerError, kind: kindServer, message: message}
}

// fieldOf returns the field of a request that sets an option of sampling.
func fieldOf(option string) string {
	field := strings.NewReplacer(" ", "_", "-", "_").Replace(strings.ToLower(option))
	switch field = strings.Replace(field, "dynamic_temperature_", "dynatemp_", 1); field {
	case "penalty_window":
		return "repeat_last_n"
	case "dry_window":
		return "dry_penalty_last_n"
	case "dry_breaker", "number_of_dry_breakers":
		return "dry_sequence_breakers"
	}
	return field
}

// fail answers with an error, in the form of the API that was asked.
func (c *call) fail(err error) {
	e := asAPIError(err)
	body := e.body()
	if path := c.r.URL.Path; path == "/v1/messages" || strings.HasPrefix(path, "/v1/messages/") {
		body = anthropicError(e)
	}
	if e.retry > 0 {
		c.w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(e.retry.Seconds()))))
	}
	if e.status == http.StatusUnauthorized {
		c.w.Header().Set("WWW-Authenticate", "Bearer")
	}
	writeJSON(c.w, e.status, body)
}

// writeJSON answers with an object.
func writeJSON(w http.ResponseWriter, status int, body any) {
	text, err := encode(body)
	if err != nil { // a number that JSON does not have
		status, text = http.StatusInternalServerError, []byte(`{"error":{"message":"the answer has a number that JSON does not have","type":"server_error","param":null,"code":null}}`)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = w.Write(text) // the client may have gone
}
