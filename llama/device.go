package llama

// Device is something that the engine can compute on.
type Device struct {
	Name        string
	Description string
	Kind        string // "cpu", "gpu", "igpu" or "accel"
	MemoryFree  uint64 // bytes
	MemoryTotal uint64
}
