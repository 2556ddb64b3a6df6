package server

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/seed7adf6694/infer/runtime/chat"
	"github.com/seed7adf6694/infer/runtime/chat/answer"
)

// responses answers OpenAI's /v1/responses.
func (s *Server) responses(c *call) error {
	return c.using(func(f *fields, l *live) error {
		q := f.responsesRequest(c.s.o.Defaults)
		if err := f.done(); err != nil {
			return err
		}
		a, err := c.answering(l, q.chatRequest)
		if errors.Is(err, chat.ErrRefused) && q.inTurns() {
			a, err = c.answering(l, q.chatRequest)
		}
		if err != nil {
			return inField("input", err)
		}
		out := &responding{answering: a, q: q, object: q.echo}
		out.object["id"], out.object["object"], out.object["created_at"] = "resp_"+randomID(), "response", time.Now().Unix()
		out.object["model"] = c.model
		if q.stream {
			out.events = &events{w: c.w}
		}
		return out.run()
	})
}

// responding is an answer in the form of the Responses API. The whole answer is what the events of a
// stream add up to.
type responding struct {
	*answering
	q        *responsesRequest
	object   map[string]any // the response
	items    []*outputItem
	events   *events // nil without a stream
	begun    bool
	sequence int // of the next event
}

// outputItem is an item of a response.
type outputItem struct {
	kind         string // type
	id           string
	callID, name string // of calls
	space        string // of a function in one
	text         strings.Builder
	probs        []logprob
	whole        bool // a call that has all of its arguments
	status       string
}

// Types of items.
const (
	itemReasoning = "reasoning"
	itemMessage   = "message"
	itemCall      = "function_call"
)

// part says where an item has its text: in which of its lists, as which type, and what events call it.
type part struct{ list, kind, index, of, text string }

func (r *responding) part(i *outputItem) part {
	switch {
	case i.kind == itemMessage:
		return part{"content", "output_text", "content_index", "content_part", "output_text"}
	case r.q.summary:
		return part{"summary", "summary_text", "summary_index", "reasoning_summary_part", "reasoning_summary_text"}
	}
	return part{"content", "reasoning_text", "content_index", "content_part", "reasoning_text"}
}

// partOf returns the part of an item that has its text.
func (r *responding) partOf(i *outputItem) map[string]any {
	o := map[string]any{"type": r.part(i).kind, "text": i.text.String()}
	if i.kind == itemMessage {
		o["annotations"], o["logprobs"] = []any{}, notNil(i.probs)
	}
	return o
}

func notNil(list []logprob) []logprob {
	if list == nil {
		return []logprob{}
	}
	return list
}

// item returns the object of an item, without its part if the item has just begun.
func (r *responding) item(i *outputItem) map[string]any {
	o := map[string]any{"id": i.id, "type": i.kind, "status": i.status}
	switch i.kind {
	case itemCall:
		o["call_id"], o["name"], o["arguments"] = i.callID, i.name, i.text.String()
		if i.space != "" {
			o["namespace"] = i.space
		}
		return o
	case itemMessage:
		o["role"], o["content"] = "assistant", []any{}
	case itemReasoning:
		o["summary"], o["content"] = []any{}, []any{}
	}
	if i.kind == itemReasoning && r.q.sealed && i.status != "in_progress" {
		o["encrypted_content"] = sealedMark + i.text.String()
	}
	if i.status != "in_progress" {
		o[r.part(i).list] = []any{r.partOf(i)}
	}
	return o
}

// send sends an event, if there is a stream.
func (r *responding) send(name string, o map[string]any) error {
	if r.events == nil {
		return nil
	}
	o["type"], o["sequence_number"] = name, r.sequence
	r.sequence++
	if err := r.events.send(name, o); err != nil {
		return cut(err)
	}
	return nil
}

// sendItem sends an event of the last item.
func (r *responding) sendItem(name string, o map[string]any) error {
	at := len(r.items) - 1
	if o["output_index"] = at; o["item"] == nil {
		o["item_id"] = r.items[at].id
	}
	return r.send("response."+name, o)
}

// begin sends the first events.
func (r *responding) begin() error {
	if r.begun {
		return nil
	}
	r.begun = true
	r.set("in_progress")
	err := r.send("response.created", map[string]any{"response": r.object})
	if err == nil {
		err = r.send("response.in_progress", map[string]any{"response": r.object})
	}
	return err
}

// set gives the response its status and what it has so far.
func (r *responding) set(status string) {
	output := []any{}
	for _, i := range r.items {
		output = append(output, r.item(i))
	}
	r.object["status"], r.object["output"] = status, output
	for _, name := range []string{"error", "incomplete_details", "completed_at", "usage"} {
		if r.object[name] == nil {
			r.object[name] = nil // clients want to see it
		}
	}
}

// run answers.
func (r *responding) run() error {
	err := r.answering.run(func(p *reply, list []answer.Event) error {
		if err := r.begin(); err != nil {
			return err
		}
		for _, e := range list {
			if err := r.add(p, e); err != nil {
				return err
			}
		}
		if p.kind != answer.Content && (p.kind != answer.Reasoning || p.aside) { // they are of no text
			p.takeProbs()
		}
		return r.enough(p)
	}, func() error {
		if r.events == nil {
			return nil
		}
		if err := r.begin(); err != nil {
			return err
		}
		return r.events.ping()
	})
	u := r.usage()
	if err != nil {
		return r.failed(inField("input", err))
	}
	status, event := "completed", "response.completed"
	if r.replies[0].finish == "length" {
		status, event = "incomplete", "response.incomplete"
		r.object["incomplete_details"] = map[string]any{"reason": "max_output_tokens"}
	} else {
		r.object["completed_at"] = time.Now().Unix()
	}
	if err := r.end(status); err != nil {
		return nil // the client has gone
	}
	r.object["usage"] = map[string]any{
		"input_tokens": u.Prompt, "input_tokens_details": map[string]any{"cached_tokens": u.PromptDetails.Cached, "cache_write_tokens": 0},
		"output_tokens": u.Completion, "output_tokens_details": map[string]any{"reasoning_tokens": u.CompletionDetails.Reasoning}, "total_tokens": u.Total,
	}
	r.set(status)
	if r.events == nil {
		writeJSON(r.call.w, http.StatusOK, r.object)
		return nil
	}
	_ = r.send(event, map[string]any{"response": r.object}) // the client may have gone
	return nil
}

// failed ends a stream with an error; without one, and before its first event, the error is a status.
func (r *responding) failed(err error) error {
	if r.events == nil || !r.events.begun {
		return err
	}
	e := asAPIError(err)
	code, param := e.code, any(nil)
	if code == "" {
		code = e.kind
	}
	if e.param != "" {
		param = e.param
	}
	r.object["error"] = map[string]any{"code": code, "message": e.message}
	for _, i := range r.items {
		if i.status == "in_progress" {
			i.status = "incomplete"
		}
	}
	r.set("failed")
	// Clients differ in which of the two they take for an error.
	if r.send("error", map[string]any{"code": code, "message": e.message, "param": param}) == nil {
		_ = r.send("response.failed", map[string]any{"response": r.object})
	}
	return nil
}

// add adds what an event of the answer adds.
func (r *responding) add(p *reply, e answer.Event) error {
	kind := itemCall
	switch e.Kind {
	case answer.Content:
		kind = itemMessage
	case answer.Reasoning:
		kind = itemReasoning
	case answer.CallEnd:
		r.items[len(r.items)-1].whole = true
		return r.end("completed")
	}
	if n := len(r.items); n == 0 || r.items[n-1].kind != kind || r.items[n-1].status != "in_progress" || e.Kind == answer.CallBegin {
		if err := r.end("completed"); err != nil {
			return err
		}
		if err := r.open(kind, p, e); err != nil {
			return err
		}
	}
	i := r.items[len(r.items)-1]
	if e.Kind == answer.CallBegin {
		return nil
	}
	i.text.WriteString(e.Text)
	if kind == itemCall {
		return r.sendItem("function_call_arguments.delta", map[string]any{"delta": e.Text})
	}
	at := r.part(i)
	o := map[string]any{"delta": e.Text, at.index: 0}
	if kind == itemMessage {
		probs := notNil(p.takeProbs())
		i.probs = append(i.probs, probs...)
		o["logprobs"] = probs
	}
	return r.sendItem(at.text+".delta", o)
}

// open begins an item.
func (r *responding) open(kind string, p *reply, e answer.Event) error {
	i := &outputItem{kind: kind, status: "in_progress", id: map[string]string{itemReasoning: "rs_", itemMessage: "msg_", itemCall: "fc_"}[kind] + randomID()}
	if kind == itemCall {
		i.callID, i.name = p.callID(e), e.Name
		if of, ok := r.q.spaces[e.Name]; ok {
			i.space, i.name = of[0], of[1]
		}
	}
	r.items = append(r.items, i)
	err := r.sendItem("output_item.added", map[string]any{"item": r.item(i)})
	if err != nil || kind == itemCall {
		return err
	}
	return r.sendItem(r.part(i).of+".added", map[string]any{r.part(i).index: 0, "part": r.partOf(i)})
}

// end ends the last item, if it has not ended. A call without all of its arguments, which must not be used,
// is incomplete whatever follows it.
func (r *responding) end(status string) error {
	if len(r.items) == 0 || r.items[len(r.items)-1].status != "in_progress" {
		return nil
	}
	i := r.items[len(r.items)-1]
	if i.status = status; i.kind == itemCall && !i.whole {
		i.status = "incomplete"
	}
	var err error
	if i.kind == itemCall {
		err = r.sendItem("function_call_arguments.done", map[string]any{"name": i.name, "arguments": i.text.String()})
	} else {
		at := r.part(i)
		o := map[string]any{"text": i.text.String(), at.index: 0}
		if i.kind == itemMessage {
			o["logprobs"] = notNil(i.probs)
		}
		if err = r.sendItem(at.text+".done", o); err == nil {
			err = r.sendItem(at.of+".done", map[string]any{at.index: 0, "part": r.partOf(i)})
		}
	}
	if err != nil {
		return err
	}
	return r.sendItem("output_item.done", map[string]any{"item": r.item(i)})
}
