package probe

// Process is the memory of this process. Sizes are in bytes; 0 where the system does
// not tell.
type Process struct {
	RSS     uint64 `json:"rss_bytes"`  // resident
	Anon    uint64 `json:"anon_bytes"` // of that: private
	File    uint64 `json:"file_bytes"` // of that: of mapped files and shared memory
	PeakRSS uint64 `json:"peak_rss_bytes"`
}
