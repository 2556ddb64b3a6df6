package probe

// Process is the memory of this process. Sizes are in bytes; 0 if unknown.
type Process struct {
	RSS     uint64 `json:"rss_bytes"`  // resident
	Anon    uint64 `json:"anon_bytes"` // private part of RSS
	File    uint64 `json:"file_bytes"` // part of RSS in mapped files and shared memory
	PeakRSS uint64 `json:"peak_rss_bytes"`
}
