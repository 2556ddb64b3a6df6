package server

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"net/http"

	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/runtime"
)

// mostTexts is how many texts or documents a request may have.
const mostTexts = 2048

// tokenUsage is OpenAI's object where nothing is generated.
type tokenUsage struct {
	Prompt int `json:"prompt_tokens"`
	Total  int `json:"total_tokens"`
}

// embed answers /v1/embeddings.
func (s *Server) embed(c *call) error {
	return c.using(func(f *fields, l *live) error {
		texts, inputs := f.toEmbed(l)
		format := "float"
		f.choice("encoding_format", &format, "float", "base64")
		width := 0
		if f.integer("dimensions", &width, 1, most) && uint64(width) != l.facts.Embedding {
			f.failWith(unsupported("dimensions", fmt.Sprintf("the model's vectors have %d dimensions, and are not shortened: leave it out", l.facts.Embedding)))
		}
		f.ignore("user")
		if err := f.done(); err != nil {
			return err
		}
		context, err := l.model.EmbedContext(texts...)
		if err != nil {
			return err
		}
		context = max(context, l.model.EmbedTokensContext(inputs...))
		var list []runtime.Embedding
		err = l.embedding(c.r.Context(), l.sessionOptions(&s.o, context), func(e *runtime.Session) (err error) {
			if inputs != nil {
				list, err = e.EmbedTokens(c.r.Context(), inputs, runtime.EmbedOptions{})
			} else {
				list, err = e.EmbedTexts(c.r.Context(), texts, runtime.EmbedOptions{})
			}
			return err
		})
		if err != nil {
			return inInput(err, "input")
		}
		data, tokens := make([]any, len(list)), 0
		for i, e := range list {
			tokens += e.Count
			var vector any = e.Vector
			if format == "base64" {
				vector = inBase64(e.Vector)
			}
			data[i] = map[string]any{"object": "embedding", "index": i, "embedding": vector}
		}
		c.prompt = tokens
		l.totals.prompt.Add(uint64(tokens))
		writeJSON(c.w, http.StatusOK, map[string]any{"object": "list", "model": c.model, "data": data, "usage": tokenUsage{tokens, tokens}})
		return nil
	})
}

// sessionOptions are those of a session for texts.
func (l *live) sessionOptions(o *Options, context int) runtime.SessionOptions {
	return runtime.SessionOptions{Context: context, Threads: o.Batch.Threads, BatchThreads: o.Batch.BatchThreads}
}

// inInput names the field of an error about a text.
func inInput(err error, param string) error {
	if e := asAPIError(err); e.param == "messages" {
		e.param = param
		return e
	}
	return err
}

// toEmbed reads texts, or texts as tokens.
func (f *fields) toEmbed(l *live) (texts []string, tokens [][]int32) {
	const name = "input"
	for i, in := range f.inputs(name, "texts", mostTexts) {
		if in.tokens == nil {
			texts = append(texts, in.text)
			if in.text == "" {
				f.fail(fmt.Sprintf("%s[%d]", name, i), "the text is empty")
			}
			continue
		}
		tokens = append(tokens, in.tokens)
		if err := l.inVocabulary(name, in.tokens...); err != nil {
			f.failWith(asAPIError(err))
		}
	}
	return texts, tokens
}

// inBase64 encodes numbers as 32-bit little-endian floats.
func inBase64(v []float32) string {
	b := make([]byte, 0, 4*len(v))
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return base64.StdEncoding.EncodeToString(b)
}

// rankObject is a document's score in the API that llama-server, Jina and Cohere share.
type rankObject struct {
	Index    int             `json:"index"`
	Score    float32         `json:"relevance_score"`
	Document json.RawMessage `json:"document,omitempty"`
}

// rerank answers /v1/rerank.
func (s *Server) rerank(c *call) error {
	return c.using(func(f *fields, l *live) error {
		query, top, returned := "", 0, false
		if !f.text("query", &query) || query == "" {
			f.fail("query", "it is missing or empty")
		}
		raw, documents := f.documents()
		f.integer("top_n", &top, 1, most)
		f.boolean("return_documents", &returned)
		f.ignore("user")
		if err := f.done(); err != nil {
			return err
		}
		context, err := l.model.RerankContext(query, documents...)
		if err != nil {
			return err
		}
		var ranks []runtime.Rank
		o := l.sessionOptions(&s.o, context)
		o.Pooling = llama.PoolingRank
		err = l.embedding(c.r.Context(), o, func(e *runtime.Session) (err error) {
			ranks, err = e.Rerank(c.r.Context(), query, documents...)
			return err
		})
		if err != nil {
			return inInput(err, "documents")
		}
		results, tokens := []rankObject{}, 0
		for i, r := range ranks {
			tokens += r.Count
			if top > 0 && i >= top {
				continue
			}
			o := rankObject{Index: r.Index, Score: r.Score}
			if returned {
				o.Document = raw[r.Index]
			}
			results = append(results, o)
		}
		c.prompt = tokens
		l.totals.prompt.Add(uint64(tokens))
		writeJSON(c.w, http.StatusOK, map[string]any{"object": "list", "model": c.model, "results": results, "usage": tokenUsage{tokens, tokens}})
		return nil
	})
}

// documents reads "documents", or "texts" as others call it: texts, or objects with a text.
func (f *fields) documents() (raw []json.RawMessage, texts []string) {
	name := "documents"
	if f.raw[name] == nil && f.raw["texts"] != nil {
		name = "texts"
	}
	if raw = f.list(name, mostTexts); len(raw) == 0 {
		f.fail(name, "0 documents: use 1 to %d", mostTexts)
		return nil, nil
	}
	for i, r := range raw {
		var text string
		var object struct {
			Text *string `json:"text"`
		}
		if string(r) == "null" || json.Unmarshal(r, &text) != nil {
			if json.Unmarshal(r, &object) != nil || object.Text == nil {
				f.fail(fmt.Sprintf("%s[%d]", name, i), "want a string, or an object with text")
				return nil, nil
			}
			text = *object.Text
		}
		texts = append(texts, text)
	}
	return raw, texts
}
