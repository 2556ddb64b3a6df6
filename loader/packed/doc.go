// Package packed writes packed files ([Write]), compares them with what they were made of
// ([Check]), and keeps them in a folder ([Store]). A packed file is a GGUF file in which some
// tensors have the layout that an engine computes with on a kind of CPU, so that it can be mapped
// as it is. What it says of itself is a [gguf.Packed].
package packed
