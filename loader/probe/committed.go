package probe

// Committed is the private memory that the processes of a program have been promised,
// whether they use it or not. Where a commit limit refuses, it is what closing the program
// gives back.
type Committed struct {
	Program   string `json:"program"`   // the name of its file
	Processes int    `json:"processes"` // of it
	Bytes     uint64 `json:"bytes"`
}
