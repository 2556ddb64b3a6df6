package peak

import "time"

// firstSample is the assumed cost of the first reading of the process's memory. Before Windows
// 10 22H2 pages are queried; under wine a query takes microseconds, and more in large blocks.
const firstSample = 20 * time.Millisecond
