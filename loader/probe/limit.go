package probe

// Limit names what refuses memory, in words for people; "" is unknown. Programs compare it with
// the constants.
type Limit string

// Limits. The names of LimitGroup and LimitLock differ between systems.
const (
	LimitCommit    Limit = "commit limit"
	LimitGrown     Limit = "commit limit, with page files as large as they get"
	LimitRAM       Limit = "available RAM"
	LimitAddresses Limit = "address space limit (RLIMIT_AS)"
	LimitData      Limit = "data limit (RLIMIT_DATA)"
	LimitHole      Limit = "address space (largest hole)"
	LimitMappings  Limit = "mappings (vm.max_map_count)"

	LimitPool      Limit = "pool"                // too small, or too fragmented
	LimitAdmission Limit = "program's own limit" // [memory.Ledger].Admit
	LimitBudget    Limit = "memory budget"       // for weights that are streamed
	LimitChunk     Limit = "chunk size"          // too small for a block that can't be divided
)

// LimitDevice is the memory of a device, such as a GPU.
func LimitDevice(name string) Limit { return Limit("memory of device " + name) }
