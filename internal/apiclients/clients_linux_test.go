//go:build cgo

package apiclients

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/responses"
	"github.com/openai/openai-go/v3/shared"
	sashabaranov "github.com/sashabaranov/go-openai"

	"github.com/seed7adf6694/infer/internal/ggufcases/instruct"
	"github.com/seed7adf6694/infer/runtime"
	"github.com/seed7adf6694/infer/runtime/server"
)

// What the embedded model is made to write, by a grammar.
const (
	thinks = `root ::= "<think>\nIt is a ball.\n</think>\n\nA red ball."`
	calls  = `root ::= "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Rome\"}}\n</tool_call>"`
)

// newServer serves the embedded model in that form, and returns the address.
func newServer(t *testing.T, keys ...string) string {
	t.Helper()
	o := server.Options{Path: "../../models/tiny/tiny-stories-f16.gguf", ChatTemplate: instruct.Hermes, Keys: keys}
	o.Open.Packed = runtime.PackedOff
	o.Batch.Context, o.Batch.Threads, o.Batch.Slots = 2048, 1, 4
	s, err := server.New(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	h := httptest.NewServer(s)
	t.Cleanup(func() {
		h.CloseClientConnections()
		h.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return h.URL
}

var weather = shared.FunctionDefinitionParam{
	Name: "weather", Description: param.NewOpt("the weather in a city"),
	Parameters: shared.FunctionParameters{"type": "object", "properties": map[string]any{"city": map[string]any{"type": "string", "enum": []string{"Rome", "Oslo"}}}, "required": []string{"city"}, "additionalProperties": false},
}

func TestOpenAIsClient(t *testing.T) {
	url := newServer(t, "key")
	c := openai.NewClient(option.WithBaseURL(url+"/v1/"), option.WithAPIKey("key"), option.WithMaxRetries(0))
	ask := openai.ChatCompletionNewParams{Model: "tiny", Messages: []openai.ChatCompletionMessageParamUnion{openai.SystemMessage("Be kind."), openai.UserMessage("What is it?")}, MaxTokens: openai.Int(120)}

	t.Run("an answer", func(t *testing.T) {
		got, err := c.Chat.Completions.New(t.Context(), ask, option.WithJSONSet("grammar", thinks))
		if err != nil {
			t.Fatal(err)
		}
		m := got.Choices[0].Message
		if m.Content != "A red ball." || !strings.Contains(m.JSON.ExtraFields["reasoning_content"].Raw(), "It is a ball.") || got.Choices[0].FinishReason != "stop" {
			t.Errorf("%s", got.RawJSON())
		}
		if u := got.Usage; u.PromptTokens == 0 || u.CompletionTokens == 0 || u.TotalTokens != u.PromptTokens+u.CompletionTokens || u.CompletionTokensDetails.ReasoningTokens == 0 {
			t.Errorf("%+v", u)
		}
	})
	t.Run("a stream with a call", func(t *testing.T) {
		ask := ask
		ask.Tools = []openai.ChatCompletionToolUnionParam{openai.ChatCompletionFunctionTool(weather)}
		ask.StreamOptions = openai.ChatCompletionStreamOptionsParam{IncludeUsage: openai.Bool(true)}
		s := c.Chat.Completions.NewStreaming(t.Context(), ask, option.WithJSONSet("grammar", calls))
		var sum openai.ChatCompletionAccumulator
		finished := ""
		for s.Next() {
			if !sum.AddChunk(s.Current()) {
				t.Errorf("a chunk does not belong here: %s", s.Current().RawJSON())
			}
			if call, ok := sum.JustFinishedToolCall(); ok {
				finished = call.Name
			}
		}
		if err := s.Err(); err != nil {
			t.Fatal(err)
		}
		m := sum.Choices[0].Message
		if len(m.ToolCalls) != 1 || m.ToolCalls[0].Function.Name != "weather" || finished != "weather" || m.ToolCalls[0].ID == "" || sum.Choices[0].FinishReason != "tool_calls" || sum.Usage.CompletionTokens == 0 {
			t.Fatalf("%+v", sum.Choices)
		}
		var city struct{ City string }
		if err := json.Unmarshal([]byte(m.ToolCalls[0].Function.Arguments), &city); err != nil || city.City != "Rome" {
			t.Errorf("%v: %s", err, m.ToolCalls[0].Function.Arguments)
		}
		// The result is told, and the model answers.
		ask.Messages = append(ask.Messages, m.ToParam(), openai.ToolMessage("Sunny.", m.ToolCalls[0].ID))
		got, err := c.Chat.Completions.New(t.Context(), openai.ChatCompletionNewParams{Model: "tiny", Messages: ask.Messages, Tools: ask.Tools, MaxTokens: openai.Int(3)})
		if err != nil || len(got.Choices) != 1 {
			t.Error(err)
		}
	})
	t.Run("structured output", func(t *testing.T) {
		ask := ask
		ask.ResponseFormat = openai.ChatCompletionNewParamsResponseFormatUnion{OfJSONSchema: &shared.ResponseFormatJSONSchemaParam{JSONSchema: shared.ResponseFormatJSONSchemaJSONSchemaParam{Name: "weather", Strict: openai.Bool(true), Schema: weather.Parameters}}}
		got, err := c.Chat.Completions.New(t.Context(), ask)
		if err != nil {
			t.Fatal(err)
		}
		var city struct{ City string }
		if err := json.Unmarshal([]byte(got.Choices[0].Message.Content), &city); err != nil || city.City != "Rome" && city.City != "Oslo" {
			t.Errorf("%v: %s", err, got.Choices[0].Message.Content)
		}
	})
	t.Run("errors", func(t *testing.T) {
		ask := ask
		ask.TopP = openai.Float(7)
		_, err := c.Chat.Completions.New(t.Context(), ask)
		var e *openai.Error
		if !errors.As(err, &e) || e.StatusCode != 400 || e.Param != "top_p" || e.Type != "invalid_request_error" || e.Message == "" {
			t.Errorf("%v", err)
		}
		_, err = c.Chat.Completions.New(t.Context(), ask, option.WithAPIKey("wrong"))
		if !errors.As(err, &e) || e.StatusCode != 401 || e.Code != "invalid_api_key" {
			t.Errorf("%v", err)
		}
	})
	t.Run("embeddings and models", func(t *testing.T) {
		got, err := c.Embeddings.New(t.Context(), openai.EmbeddingNewParams{Model: "tiny", Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: []string{"a", "b"}}})
		if err != nil || len(got.Data) != 2 || len(got.Data[1].Embedding) != 256 {
			t.Errorf("%v: %v", err, got)
		}
		list := c.Models.ListAutoPaging(t.Context())
		if !list.Next() || list.Current().ID != "tiny-stories-f16" {
			t.Errorf("%v: %v", list.Err(), list.Current())
		}
	})
}

func TestOpenAIsClientForResponses(t *testing.T) {
	url := newServer(t, "key")
	c := openai.NewClient(option.WithBaseURL(url+"/v1/"), option.WithAPIKey("key"), option.WithMaxRetries(0))
	ask := responses.ResponseNewParams{Model: "tiny", Instructions: openai.String("Be kind."), Input: responses.ResponseNewParamsInputUnion{OfString: openai.String("What is it?")}, MaxOutputTokens: openai.Int(120)}

	t.Run("a response", func(t *testing.T) {
		got, err := c.Responses.New(t.Context(), ask, option.WithJSONSet("grammar", thinks))
		if err != nil {
			t.Fatal(err)
		}
		if got.OutputText() != "A red ball." || got.Status != responses.ResponseStatusCompleted || len(got.Output) != 2 || strings.TrimSpace(got.Output[0].AsReasoning().Content[0].Text) != "It is a ball." || got.ID == "" || got.CreatedAt == 0 {
			t.Errorf("%s", got.RawJSON())
		}
		if u := got.Usage; u.InputTokens == 0 || u.TotalTokens != u.InputTokens+u.OutputTokens || u.OutputTokensDetails.ReasoningTokens == 0 {
			t.Errorf("%+v", u)
		}
	})
	t.Run("a stream with a call", func(t *testing.T) {
		ask := ask
		ask.Tools = []responses.ToolUnionParam{responses.ToolParamOfFunction(weather.Name, weather.Parameters, true)}
		s := c.Responses.NewStreaming(t.Context(), ask, option.WithJSONSet("grammar", calls))
		arguments := ""
		var got responses.Response
		for s.Next() {
			switch e := s.Current().AsAny().(type) {
			case responses.ResponseFunctionCallArgumentsDeltaEvent:
				arguments += e.Delta
			case responses.ResponseCompletedEvent:
				got = e.Response
			}
		}
		if err := s.Err(); err != nil || len(got.Output) != 1 || got.Usage.OutputTokens == 0 {
			t.Fatalf("%v: %s", err, got.RawJSON())
		}
		call := got.Output[0].AsFunctionCall()
		var city struct{ City string }
		if err := json.Unmarshal([]byte(call.Arguments), &city); err != nil || city.City != "Rome" || call.Arguments != arguments || call.Name != "weather" || call.CallID == "" {
			t.Errorf("%v: %s, %s", err, call.RawJSON(), arguments)
		}
		// The result is told, and the model answers.
		result := responses.ResponseInputItemParamOfFunctionCallOutput("Sunny.")
		result.OfFunctionCallOutput.CallID = openai.String(call.CallID)
		param := call.ToParam()
		ask.Input = responses.ResponseNewParamsInputUnion{OfInputItemList: responses.ResponseInputParam{
			responses.ResponseInputItemParamOfMessage("What is it?", responses.EasyInputMessageRoleUser), {OfFunctionCall: &param}, result}}
		ask.MaxOutputTokens = openai.Int(3)
		again, err := c.Responses.New(t.Context(), ask, option.WithJSONSet("grammar", `root ::= "It is sunny." [a-z]+`))
		if err != nil || again.Status != responses.ResponseStatusIncomplete || again.IncompleteDetails.Reason != "max_output_tokens" {
			t.Errorf("%v: %v", err, again)
		}
	})
	t.Run("structured output", func(t *testing.T) {
		ask := ask
		ask.Text = responses.ResponseTextConfigParam{Format: responses.ResponseFormatTextConfigParamOfJSONSchema("weather", weather.Parameters)}
		got, err := c.Responses.New(t.Context(), ask)
		if err != nil {
			t.Fatal(err)
		}
		var city struct{ City string }
		if err := json.Unmarshal([]byte(got.OutputText()), &city); err != nil || city.City != "Rome" && city.City != "Oslo" {
			t.Errorf("%v: %s", err, got.OutputText())
		}
	})
	t.Run("errors", func(t *testing.T) {
		ask := ask
		ask.PreviousResponseID = openai.String("resp_1")
		_, err := c.Responses.New(t.Context(), ask)
		var e *openai.Error
		if !errors.As(err, &e) || e.StatusCode != 400 || e.Param != "previous_response_id" || e.Code != "unsupported_value" {
			t.Errorf("%v", err)
		}
	})
}

func TestAnotherClient(t *testing.T) {
	url := newServer(t)
	config := sashabaranov.DefaultConfig("")
	config.BaseURL = url + "/v1"
	c := sashabaranov.NewClientWithConfig(config)
	seed := 4
	ask := sashabaranov.ChatCompletionRequest{Model: "tiny", MaxCompletionTokens: 12, Seed: &seed, LogProbs: true, TopLogProbs: 2, N: 2, Stop: []string{"zebra"},
		Messages: []sashabaranov.ChatCompletionMessage{{Role: "user", MultiContent: []sashabaranov.ChatMessagePart{{Type: "text", Text: "Hello"}}}}}
	got, err := c.CreateChatCompletion(t.Context(), ask)
	if err != nil || len(got.Choices) != 2 || len(got.Choices[1].LogProbs.Content) == 0 || len(got.Choices[0].LogProbs.Content[0].TopLogProbs) != 2 {
		t.Fatalf("%v: %+v", err, got)
	}
	ask.Stream, ask.N, ask.LogProbs, ask.TopLogProbs = true, 1, false, 0
	s, err := c.CreateChatCompletionStream(t.Context(), ask)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	text := ""
	for {
		part, err := s.Recv()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		text += part.Choices[0].Delta.Content + part.Choices[0].Delta.ReasoningContent
	}
	if whole := got.Choices[0].Message.Content + got.Choices[0].Message.ReasoningContent; text != whole {
		t.Errorf("%q, want %q", text, whole)
	}
	tool := sashabaranov.FunctionDefinition{Name: "weather", Parameters: weather.Parameters}
	got, err = c.CreateChatCompletion(t.Context(), sashabaranov.ChatCompletionRequest{Model: "tiny", MaxCompletionTokens: 200, Messages: ask.Messages, Tools: []sashabaranov.Tool{{Type: "function", Function: &tool}}, ToolChoice: "required"})
	if err != nil || len(got.Choices[0].Message.ToolCalls) != 1 || got.Choices[0].FinishReason != "tool_calls" {
		t.Errorf("%v: %+v", err, got)
	}
	_, err = c.CreateCompletion(t.Context(), sashabaranov.CompletionRequest{Model: "tiny", Prompt: strings.Repeat("word ", 4000)})
	var e *sashabaranov.APIError
	if !errors.As(err, &e) || e.HTTPStatusCode != 400 || e.Code != "context_length_exceeded" {
		t.Errorf("%v", err)
	}
	old, err := c.CreateCompletion(t.Context(), sashabaranov.CompletionRequest{Model: "tiny", Prompt: "Once upon a time", MaxTokens: 3, LogProbs: 1, Temperature: 1e-9})
	if err != nil || old.Choices[0].Text != ", there lived" && len(old.Choices[0].LogProbs.Tokens) != 3 {
		t.Errorf("%v: %+v", err, old)
	}
}

// nodeClient is npm's package that the test uses. It is kept in bin, which git ignores.
const nodeClient = "openai@7.59.0"

func TestOpenAIsClientForNode(t *testing.T) {
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("missing %s: apt-get install npm", tool)
		}
	}
	dir, err := filepath.Abs("../../bin/" + nodeClient)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "openai", "package.json")); err != nil {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), "npm", "install", "--silent", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", dir, nodeClient).CombinedOutput()
		if err != nil {
			t.Skipf("missing npm's %s, which could not be fetched: %v: %s", nodeClient, err, out)
		}
	}
	script, err := os.ReadFile("testdata/client.mjs")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "client.mjs") // imports are looked up from here
	if err := os.WriteFile(file, script, 0o644); err != nil {
		t.Fatal(err)
	}
	url := newServer(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, err := exec.CommandContext(ctx, "node", file, url+"/v1", thinks, calls).CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "ok" {
		t.Errorf("%v: %s", err, out)
	}
}
