package runtime

import (
	"fmt"
	"slices"
)

// Task is what a model is made for.
type Task int

const (
	// TaskText is to go on with a text, token by token: [Session.Generate].
	TaskText Task = iota
	// TaskEmbeddings is to make vectors of texts: [Session.Embed].
	TaskEmbeddings
	// TaskRerank is to tell how well documents answer a query: [Session.Rerank].
	TaskRerank
	// TaskDiffusion is to fill in a whole text at once, in steps, which this package
	// does not do.
	TaskDiffusion
	// TaskAudio is to make sound of codes, which this package does not do.
	TaskAudio
)

var taskWords = []string{"text", "embeddings", "ranks", "text by diffusion", "audio"}

func (t Task) String() string {
	if t < 0 || int(t) >= len(taskWords) {
		return fmt.Sprintf("Task(%d)", int(t))
	}
	return taskWords[t]
}

// encoders are the architectures that look at a whole text at once and predict no token.
var encoders = []string{"bert", "nomic-bert", "nomic-bert-moe", "jina-bert-v2", "jina-bert-v3", "neo-bert", "gemma-embedding", "t5encoder"}

// Task returns what the model is made for. Models for text make embeddings too; rerankers
// made of such models rank, and can be asked for text.
func (m *Model) Task() Task {
	switch arch := m.info.Architecture; {
	case m.ranks():
		return TaskRerank
	case slices.Contains(encoders, arch):
		return TaskEmbeddings
	case m.info.Diffusion || arch == "rnd1":
		return TaskDiffusion
	case arch == "wavtokenizer-dec":
		return TaskAudio
	}
	return TaskText
}

// poolingRank is the number of rank pooling in a file.
const poolingRank = 4

// ranks tells whether the model says that it is a reranker.
func (m *Model) ranks() bool {
	v, ok := m.index.Lookup(m.info.Architecture + ".pooling_type")
	if !ok {
		return false
	}
	n, _ := v.Uint()
	return n == poolingRank && m.classifies()
}

// classifies tells whether the model has a classifier, without which it cannot rank.
func (m *Model) classifies() bool {
	for _, name := range []string{"cls.weight", "cls.output.weight"} {
		if _, ok := m.index.Tensor(name); ok {
			return true
		}
	}
	return false
}

// decodes returns an error for models that make no text token by token.
func (m *Model) decodes() error {
	task := m.Task()
	if task == TaskText || task == TaskRerank && !slices.Contains(encoders, m.info.Architecture) {
		return nil
	}
	return &TaskError{Architecture: m.info.Architecture, Task: task, Asked: TaskText}
}

// embedsTexts returns an error for models that make no embeddings of texts.
func (m *Model) embedsTexts() error {
	switch task := m.Task(); {
	case task == TaskAudio, m.info.Encoder && m.info.Decoder:
		return &TaskError{Architecture: m.info.Architecture, Task: task, Asked: TaskEmbeddings}
	}
	return nil
}
