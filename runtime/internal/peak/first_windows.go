package peak

import "time"

// firstSample is what the first reading of the process's memory is taken to cost. Before
// Windows 10 22H2 each page is asked for; wine takes microseconds for a page, and more for
// those of large blocks.
const firstSample = 20 * time.Millisecond
