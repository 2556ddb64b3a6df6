package probe

// Committed is the private memory that the processes of a program have committed, used or not.
// Closing the program releases that much of the commit limit.
type Committed struct {
	Program   string `json:"program"`   // name of its executable file
	Processes int    `json:"processes"` // number of its processes
	Bytes     uint64 `json:"bytes"`
}
