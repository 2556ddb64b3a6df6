package main

import (
	"bufio"
	"encoding/binary"
	"io"
	"math"
	"path/filepath"
	"strconv"

	"github.com/seed7adf6694/infer/cmd/infer/internal/texts"
	"github.com/seed7adf6694/infer/runtime"
)

// embedFormats are the output formats. They have llama.cpp's names where it has them.
func embedFormats() []string { return []string{"json", "json+", "array", "csv", "raw", "f32"} }

// The objects of OpenAI's API.
type (
	embeddingList struct {
		Object string            `json:"object"`
		Model  string            `json:"model"`
		Data   []embeddingObject `json:"data"`
		Usage  tokenUsage        `json:"usage"`
		// Cosine has the cosine similarity of each pair of texts.
		Cosine [][]float32 `json:"cosineSimilarity,omitempty"`
	}
	embeddingObject struct {
		Object    string `json:"object"`
		Index     int    `json:"index"`
		Embedding any    `json:"embedding"` // numbers, or with --pooling none a list of them for each token
	}
	tokenUsage struct {
		Prompt int `json:"prompt_tokens"`
		Total  int `json:"total_tokens"`
	}
)

// modelName is the model's name in results.
func modelName(m *runtime.Model) string { return filepath.Base(m.Report().Path) }

// writeEmbeddings writes vectors in one of the embedFormats.
func writeEmbeddings(w io.Writer, format, model string, list []runtime.Embedding, tokens int) error {
	switch format {
	case "json", "json+":
		o := embeddingList{Object: "list", Model: model, Data: []embeddingObject{}, Usage: tokenUsage{tokens, tokens}}
		for i, e := range list {
			o.Data = append(o.Data, embeddingObject{"embedding", i, numbersOf(e)})
		}
		if format == "json+" {
			o.Cosine = cosines(list)
		}
		return texts.WriteJSON(w, o)
	case "array":
		all := []any{}
		for _, e := range list {
			all = append(all, numbersOf(e))
		}
		return texts.WriteJSON(w, all)
	}
	b := bufio.NewWriter(w)
	var line []byte
	for _, e := range list {
		rows := e.Tokens
		if rows == nil {
			rows = [][]float32{e.Vector}
		}
		for _, row := range rows {
			line = appendRow(line[:0], format, row)
			if _, err := b.Write(line); err != nil {
				return err
			}
		}
	}
	return b.Flush()
}

// numbersOf returns the vector of a text, or a list of the vectors of its tokens.
func numbersOf(e runtime.Embedding) any {
	if e.Tokens != nil {
		return e.Tokens
	}
	return e.Vector
}

// appendRow appends a vector as a line of numbers, or as bytes.
func appendRow(b []byte, format string, row []float32) []byte {
	if format == "f32" {
		for _, x := range row {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
		}
		return b
	}
	for i, x := range row {
		switch {
		case i > 0 && format == "csv":
			b = append(b, ',')
		case i > 0:
			b = append(b, ' ')
		}
		b = strconv.AppendFloat(b, float64(x), 'g', -1, 32)
	}
	return append(b, '\n')
}

// cosines returns the cosine similarity of each pair of vectors; with a zero vector it is 0.
func cosines(list []runtime.Embedding) [][]float32 {
	dot := func(a, b []float32) (sum float64) {
		for i := range a {
			sum += float64(a[i]) * float64(b[i])
		}
		return sum
	}
	rows := make([][]float32, len(list))
	for i, a := range list {
		rows[i] = make([]float32, len(list))
		for j, b := range list {
			if length := math.Sqrt(dot(a.Vector, a.Vector) * dot(b.Vector, b.Vector)); length > 0 {
				rows[i][j] = float32(dot(a.Vector, b.Vector) / length)
			}
		}
	}
	return rows
}
