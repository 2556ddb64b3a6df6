// Package serving starts servers with OpenAI's API, and measures them as their clients see them.
package serving

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/seed7adf6694/infer/internal/clock"
)

// Client sends requests to a server. It is safe for concurrent use.
type Client struct {
	URL   string // as in http://127.0.0.1:8080
	Chat  bool   // prompts are messages of a user: /v1/chat/completions instead of /v1/completions
	Model string // the name of the model in requests; "": none

	health string // path that answers when the server is ready
	http   http.Client
}

// NewClient returns a client with a connection for each request: a server may close one that it has
// kept, just when the next request comes.
func NewClient(url string, chat bool) *Client {
	t := &http.Transport{DisableKeepAlives: true, DisableCompression: true}
	return &Client{URL: url, Chat: chat, health: "/health", http: http.Client{Transport: t}}
}

// Answer is how a request went.
type Answer struct {
	Start, First, End time.Duration // of [clock.Now]; First: the first text came
	Gaps              []float64     // times between the texts, in seconds
	Tokens            int           // that were generated, as the server counts them
	Prompt            int           // tokens of the prompt
}

// event is a part of an answer.
type event struct {
	Choices []struct {
		Text  string `json:"text"`
		Delta struct {
			Content   string `json:"content"`
			Reasoning string `json:"reasoning_content"`
		} `json:"delta"`
	} `json:"choices"`
	Usage *struct {
		Prompt     int `json:"prompt_tokens"`
		Completion int `json:"completion_tokens"`
	} `json:"usage"`
	Error json.RawMessage `json:"error"`
}

// text returns the text of an event; "" if it has none.
func (e *event) text() string {
	if len(e.Choices) == 0 {
		return ""
	}
	c := e.Choices[0]
	return c.Text + c.Delta.Content + c.Delta.Reasoning
}

// Stream generates so many tokens, always the most likely ones and beyond the end of the text, and
// takes the times at which they come.
func (c *Client) Stream(ctx context.Context, prompt string, tokens int) (Answer, error) {
	body := map[string]any{
		"max_tokens": tokens, "temperature": 0, "seed": 1, "ignore_eos": true,
		"stream": true, "stream_options": map[string]any{"include_usage": true},
	}
	if c.Model != "" {
		body["model"] = c.Model
	}
	path := "/v1/completions"
	if body["prompt"] = prompt; c.Chat {
		delete(body, "prompt")
		body["messages"] = []map[string]string{{"role": "user", "content": prompt}}
		path = "/v1/chat/completions"
	}
	a := Answer{Start: clock.Now()}
	res, err := c.post(ctx, path, body)
	if err != nil {
		return a, err
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 4<<20)
	last, ended := a.Start, false
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data:")
		if data = strings.TrimSpace(data); !ok || data == "" {
			continue
		}
		if data == "[DONE]" {
			ended = true
			continue
		}
		var e event
		if err := json.Unmarshal([]byte(data), &e); err != nil {
			return a, fmt.Errorf("the server sent an invalid event: %.200q", data)
		}
		if len(e.Error) > 0 {
			return a, fmt.Errorf("the server's answer ended with an error: %.300s", e.Error)
		}
		if e.text() != "" {
			now := clock.Now()
			if a.First == 0 {
				a.First = now
			} else {
				a.Gaps = append(a.Gaps, (now - last).Seconds())
			}
			last = now
		}
		if e.Usage != nil {
			a.Tokens, a.Prompt = e.Usage.Completion, e.Usage.Prompt
		}
	}
	a.End = clock.Now()
	switch {
	case lines.Err() != nil:
		return a, lines.Err()
	case !ended:
		return a, errors.New("the server's answer ended early")
	case a.Tokens == 0 || a.First == 0:
		return a, errors.New("the server's answer has no text, or no usage")
	}
	return a, nil
}

// Healthy reports whether the server answers requests.
func (c *Client) Healthy(ctx context.Context) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL+c.health, nil)
	if err != nil {
		return false
	}
	res, err := c.http.Do(req)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode == http.StatusOK
}

func (c *Client) post(ctx context.Context, path string, body any) (*http.Response, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL+path, bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		defer res.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(res.Body, 300))
		return nil, fmt.Errorf("%s: status %d: %s", path, res.StatusCode, bytes.TrimSpace(text))
	}
	return res, nil
}
