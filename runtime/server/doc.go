// Package server answers requests over HTTP with GGUF models. [Server] is an [http.Handler], which
// programs mount in their own services; [Server.Serve] is a whole service with timeouts and an
// orderly end.
//
// It has OpenAI's API (/v1/chat/completions, /v1/responses, /v1/completions, /v1/embeddings, /v1/models, with
// streaming, tools, structured output and log-probabilities), Anthropic's /v1/messages,
// llama-server's /completion, /health, /props, /slots, /tokenize, /detokenize, /apply-template, /rerank and
// /metrics, and a page for chats at /. A field of a request is obeyed or refused by its name; only
// fields without an effect on the text (user, metadata, store and the like) are ignored, and of
// Anthropic's the budget_tokens of thinking and the is_error of a tool's result, which templates do not have.
// Nothing is kept from one request to the next but states of prompts: responses have "store": false.
//
// Requests of a model are computed together ([runtime.Batch]). A request that finds no place waits;
// one that finds no place in the queue gets status 429 with a Retry-After, one that does not fit
// into the context 400, and one for which there is no memory 503: each with the figures. When a
// client goes away, its request ends within one token.
//
//	s, err := server.New(ctx, server.Options{Path: "model.gguf"})
//	if err != nil { … }
//	defer s.Close()
//	http.Handle("/llm/", http.StripPrefix("/llm", s))
//
// The package prints nothing, handles no signals, and logs no prompts and no answers.
package server
