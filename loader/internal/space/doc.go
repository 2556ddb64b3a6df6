// Package space reserves addresses and places memory and file mappings there: each system's calls
// behind one interface.
package space
