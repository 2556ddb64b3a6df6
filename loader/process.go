package loader

// Process is a process's memory. Sizes are bytes; 0 where the system does not tell.
type Process struct {
	RSS     uint64 `json:"rss_bytes"`  // resident
	Anon    uint64 `json:"anon_bytes"` // of that: private
	File    uint64 `json:"file_bytes"` // of that: of files and shared
	PeakRSS uint64 `json:"peak_rss_bytes"`
}
