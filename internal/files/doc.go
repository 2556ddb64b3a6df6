// Package files opens files for reads at offsets, also bypassing the page cache, and writes files
// that appear complete or not at all. It contains what differs between systems: who may rename or
// remove an open file, locks, links, interrupted reads.
package files
