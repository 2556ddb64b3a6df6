// Package space reserves addresses and fills them with memory and views of files: the calls of
// each system behind one interface.
package space
