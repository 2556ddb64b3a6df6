package server

import (
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/seed7adf6694/infer/runtime"
)

// health answers load balancers: 503 before the model was opened, and while the server drains.
func (s *Server) health(c *call) error {
	if s.draining.Load() {
		return unavailable("shutting_down", "the server is shutting down", 5*time.Second)
	}
	if !s.ready.Load() {
		return unavailable("loading", "Loading model", time.Second) // llama-server's words
	}
	writeJSON(c.w, http.StatusOK, map[string]string{"status": "ok"})
	return nil
}

// modelObject is OpenAI's object, with llama-server's figures of models that are open.
type modelObject struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	Owner   string `json:"owned_by"`
	Loaded  bool   `json:"loaded"`
	Meta    *facts `json:"meta,omitempty"`
}

// modelList lists the models, open or not.
func (s *Server) modelList() ([]modelObject, error) {
	if s.o.Dir != "" {
		if err := s.fleet.scan(); err != nil {
			return nil, err
		}
	}
	s.fleet.mu.Lock()
	defer s.fleet.mu.Unlock()
	list := []modelObject{}
	for p := range s.fleet.named() {
		m := modelObject{ID: p.name, Object: "model", Created: p.created.Unix(), Owner: "infer", Loaded: p.live != nil}
		if p.live != nil {
			m.Meta = &p.live.facts
		}
		list = append(list, m)
	}
	return list, nil
}

func (s *Server) listModels(c *call) error {
	list, err := s.modelList()
	if err == nil {
		writeJSON(c.w, http.StatusOK, map[string]any{"object": "list", "data": list})
	}
	return err
}

func (s *Server) oneModel(c *call) error {
	list, err := s.modelList()
	if err != nil {
		return err
	}
	name := c.r.PathValue("name")
	for _, m := range list {
		if m.ID == name {
			writeJSON(c.w, http.StatusOK, m)
			return nil
		}
	}
	return &apiError{status: http.StatusNotFound, kind: kindNotFound, code: "model_not_found", param: "model", message: "there is no such model"}
}

// shown calls g with the open model that the query names, or with the only one that is open.
func (s *Server) shown(c *call, g func(name string, l *live)) {
	want, found := c.r.URL.Query().Get("model"), 0
	s.fleet.snapshot(func(name string, l *live) {
		if want == "" || want == name || s.o.Dir == "" {
			if found++; found == 1 {
				g(name, l)
			}
		}
	})
}

// props is llama-server's description of the model.
func (s *Server) props(c *call) error {
	out := map[string]any{"total_slots": 0, "model_path": "", "model_alias": "", "chat_template": "", "build_info": fingerprint,
		"modalities": map[string]bool{"vision": false, "audio": false}, "default_generation_settings": map[string]any{"n_ctx": 0}}
	s.shown(c, func(name string, l *live) {
		out["model_alias"], out["model_path"], out["chat_template"] = name, l.model.Report().Path, l.facts.template
		if l.batch == nil {
			return
		}
		st := l.batch.Stats()
		out["total_slots"] = st.Slots
		out["default_generation_settings"] = map[string]any{"n_ctx": st.RequestContext, "params": s.defaults()}
	})
	writeJSON(c.w, http.StatusOK, out)
	return nil
}

// defaults are the settings of a request that has none.
func (s *Server) defaults() map[string]any {
	m := samplers(s.o.Defaults.Sampling)
	m["max_tokens"] = s.o.Defaults.MaxTokens
	return m
}

// slots lists what is computed. It shows no texts.
func (s *Server) slots(c *call) error {
	list := []any{}
	s.shown(c, func(_ string, l *live) {
		if l.batch != nil {
			for _, slot := range l.batch.Slots() {
				list = append(list, slotObject{slot, l.batch.Stats().RequestContext})
			}
		}
	})
	writeJSON(c.w, http.StatusOK, list)
	return nil
}

// memoryObject is what a model takes, for the page and for programs.
type memoryObject struct {
	Model  string         `json:"model"`
	Report runtime.Report `json:"report"`
	// Batch are the figures of its requests, null for models that do not generate text.
	Batch *runtime.BatchStats `json:"batch"`
}

// memory answers /memory: what each open model takes, by purpose, and what is resident.
func (s *Server) memory(c *call) error {
	list := []memoryObject{}
	s.fleet.snapshot(func(name string, l *live) {
		m := memoryObject{Model: name, Report: l.model.Report()}
		if l.batch != nil {
			st := l.batch.Stats()
			m.Batch = &st
		}
		list = append(list, m)
	})
	budget := s.o.Open.MaxMemory
	if budget == runtime.MaxMemoryOff {
		budget = 0
	}
	writeJSON(c.w, http.StatusOK, map[string]any{"models": list, "budget_bytes": budget, "requests": s.Running()})
	return nil
}

// Limits of what is translated in one request.
const (
	mostContent = 1 << 20   // bytes of a text
	mostTokens  = 256 << 10 // tokens
)

// pieceOf is a token with its text.
type pieceOf struct {
	ID    int32 `json:"id"`
	Piece any   `json:"piece"`
}

func (s *Server) tokenize(c *call) error {
	return c.using(func(f *fields, l *live) error {
		content, special, parse, pieces := "", false, true, false
		if !f.text("content", &content) {
			f.fail("content", "it is missing")
		}
		if len(content) > mostContent {
			e := badField("content", "the text has %d bytes: use at most %d, in several requests", len(content), mostContent)
			e.status, e.code, e.figures = http.StatusRequestEntityTooLarge, "content_too_large", map[string]any{"bytes": len(content), "max_bytes": mostContent}
			f.failWith(e)
		}
		f.boolean("add_special", &special)
		f.boolean("parse_special", &parse)
		f.boolean("with_pieces", &pieces)
		if err := f.done(); err != nil {
			return err
		}
		ids, err := l.model.Tokenize(content, runtime.TokenizeOptions{NoSpecial: !special, Plain: !parse})
		if err != nil {
			return err
		}
		if !pieces {
			writeJSON(c.w, http.StatusOK, map[string][]int32{"tokens": append([]int32{}, ids...)})
			return nil
		}
		list := make([]pieceOf, len(ids))
		for i, id := range ids {
			if err := c.r.Context().Err(); err != nil {
				return err
			}
			piece, err := l.model.Piece(id)
			if err != nil {
				return err
			}
			list[i] = pieceOf{ID: id, Piece: pieceObject(piece)}
		}
		writeJSON(c.w, http.StatusOK, map[string][]pieceOf{"tokens": list})
		return nil
	})
}

// pieceObject is a text, or its bytes if it is not whole characters.
func pieceObject(piece string) any {
	if utf8.ValidString(piece) {
		return piece
	}
	return byteList(piece)
}

func (s *Server) detokenize(c *call) error {
	return c.using(func(f *fields, l *live) error {
		var ids []int32
		nulls := string(f.raw["tokens"]) != "null" && hasNull(f.raw["tokens"])
		if f.few("tokens", f.raw["tokens"], mostTokens, "tokens") && !f.into("tokens", "an array of tokens", &ids) {
			f.fail("tokens", "it is missing")
		}
		if nulls {
			f.fail("tokens", "want an array of tokens: one is null")
		}
		if err := f.done(); err != nil {
			return err
		}
		text, err := l.model.Detokenize(ids)
		if err != nil {
			return badField("tokens", "%s", err)
		}
		writeJSON(c.w, http.StatusOK, map[string]string{"content": text})
		return nil
	})
}

// applyTemplate answers with the prompt of a conversation.
func (s *Server) applyTemplate(c *call) error {
	return c.using(func(f *fields, l *live) error {
		q := f.chatRequest(c.s.o.Defaults)
		if err := f.done(); err != nil {
			return err
		}
		if err := l.chats(); err != nil {
			return err
		}
		p, err := l.template.Render(q.messages, q.options)
		if err != nil {
			return err
		}
		writeJSON(c.w, http.StatusOK, map[string]string{"prompt": p.Text})
		return nil
	})
}
