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
func (m *Model) Task() Task { return m.task() }

func (t *traits) task() Task {
	switch arch := t.info.Architecture; {
	case t.ranks():
		return TaskRerank
	case slices.Contains(encoders, arch):
		return TaskEmbeddings
	case t.info.Diffusion || arch == "rnd1":
		return TaskDiffusion
	case arch == "wavtokenizer-dec":
		return TaskAudio
	}
	return TaskText
}

// poolingRank is the number of rank pooling in a file.
const poolingRank = 4

// ranks tells whether the model says that it is a reranker.
func (t *traits) ranks() bool { return t.reranker && t.classifier }

// decodes returns an error for models that make no text token by token.
func (t *traits) decodes() error {
	task := t.task()
	if task == TaskText || task == TaskRerank && !slices.Contains(encoders, t.info.Architecture) {
		return nil
	}
	return &TaskError{Architecture: t.info.Architecture, Task: task, Asked: TaskText}
}

// embedsTexts returns an error for models that make no embeddings of texts.
func (t *traits) embedsTexts() error {
	switch task := t.task(); {
	case task == TaskAudio, t.info.Encoder && t.info.Decoder:
		return &TaskError{Architecture: t.info.Architecture, Task: task, Asked: TaskEmbeddings}
	}
	return nil
}
