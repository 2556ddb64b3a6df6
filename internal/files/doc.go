// Package files opens files for reading at offsets, past the page cache too, and writes files
// that appear whole or not at all. What differs between systems is here: who may rename or remove
// a file that is open, locks, links, what a read gives that was interrupted.
package files
