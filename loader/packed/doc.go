// Package packed writes packed files ([Write]), compares them with their source ([Check]), and keeps
// them in a folder ([Store]). A packed file is a GGUF file with some tensors in the layout that an
// engine uses on a kind of CPU, so that they can be mapped without repacking. [gguf.Packed]
// describes it.
package packed
