package main

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/seed7adf6694/infer/cmd/infer/internal/texts"
	"github.com/seed7adf6694/infer/internal/clock"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/runtime"
)

// rerankConfig holds the flags of `infer rerank`.
type rerankConfig struct {
	textsConfig
	top int
}

func rerankCommand() *command {
	f := newFlags()
	c := &rerankConfig{textsConfig: textsConfig{generateConfig: generateConfig{flags: f}}}
	f.group("Model and documents")
	c.textFlags(f, "documents")
	f.integer(&c.top, "top-n", "", 0, 0, math.MaxInt32, "print only the best N (default all)")
	c.memoryFlags(f, topicMemory)
	c.textOutputFlags(f, "print one JSON object")
	return &command{
		name:     "rerank",
		summary:  "sort documents by how well they answer a query",
		synopsis: []string{"[flags] QUERY [DOCUMENT ...]"},
		about: "Sorts documents by how well they answer a query, with a model that has a classifier for this (a reranker). The documents are the arguments after the query, or the lines of a file or of standard input. " +
			"Each line of the output has the score, the number of the document (from 0) and the document. The scale of the scores depends on the model: larger is better.",
		examples: []string{
			`infer rerank -m reranker.gguf "What is a panda?" "A bear." "A car."`, "two documents",
			`infer rerank -m reranker.gguf "What is a panda?" -f lines.txt --top-n 5`, "the best five lines of a file",
		},
		flags: f,
		run:   c.run,
	}
}

// The objects of the rerank API that llama.cpp's server, Jina and Cohere share.
type (
	rankList struct {
		Object  string       `json:"object"`
		Model   string       `json:"model"`
		Results []rankObject `json:"results"`
		Usage   tokenUsage   `json:"usage"`
	}
	rankObject struct {
		Index int     `json:"index"`
		Score float32 `json:"relevance_score"`
	}
)

func (c *rerankConfig) run(ctx context.Context, s *streams, args []string) error {
	if len(args) == 0 || args[0] == "" {
		return usagef("no query: give it as the first argument, before the documents")
	}
	query := args[0]
	documents, err := c.texts(ctx, s, args[1:], "documents")
	if err != nil {
		return err
	}
	m, sess, free, err := c.openFor(ctx, s, llama.PoolingRank, func(m *runtime.Model) (int, error) { return m.RerankContext(query, documents...) })
	if err != nil {
		return err
	}
	defer free()
	start := clock.Now()
	ranks, err := sess.Rerank(ctx, query, documents...)
	if err != nil {
		return err
	}
	tokens := 0
	for _, r := range ranks {
		tokens += r.Count
	}
	took := clock.Since(start)
	if c.top > 0 {
		ranks = ranks[:min(c.top, len(ranks))]
	}
	if c.json {
		o := rankList{Object: "list", Model: modelName(m), Results: []rankObject{}, Usage: tokenUsage{tokens, tokens}}
		for _, r := range ranks {
			o.Results = append(o.Results, rankObject{r.Index, r.Score})
		}
		err = texts.WriteJSON(s.out, o)
	} else {
		var b strings.Builder
		for _, r := range ranks {
			b.WriteString(strconv.FormatFloat(float64(r.Score), 'f', 4, 32) + "\t" + strconv.Itoa(r.Index) + "\t" + texts.OneLine(documents[r.Index]) + "\n")
		}
		_, err = s.out.Write([]byte(b.String()))
	}
	if err == nil && !c.quiet {
		fmt.Fprintln(s.err, textFigures(len(documents), "documents", tokens, took))
	}
	return err
}
