package probe

// Limit names what refuses memory, for people; "" is none that is known. Programs compare it
// with the constants.
type Limit string

// Limits. Of LimitGroup and LimitLock the name is the system's.
const (
	LimitCommit    Limit = "commit limit"
	LimitGrown     Limit = "commit limit, with page files as large as they get"
	LimitRAM       Limit = "available RAM"
	LimitAddresses Limit = "address space limit (RLIMIT_AS)"
	LimitData      Limit = "data limit (RLIMIT_DATA)"
	LimitHole      Limit = "address space (largest hole)"
	LimitMappings  Limit = "mappings (vm.max_map_count)"

	LimitPool      Limit = "pool"                // too small, or too fragmented
	LimitAdmission Limit = "program's own limit" // of a [memory.Ledger]
	LimitBudget    Limit = "memory budget"       // of weights that are streamed
	LimitChunk     Limit = "chunk size"          // too small for a piece that can't be divided
)
