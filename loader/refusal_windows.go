package loader

import (
	"errors"

	"golang.org/x/sys/windows"
)

// lacksMemory tells whether the system refused for want of memory or addresses.
func lacksMemory(err error) bool {
	for _, e := range []error{
		windows.ERROR_NOT_ENOUGH_MEMORY, windows.ERROR_OUTOFMEMORY, windows.ERROR_COMMITMENT_LIMIT, windows.ERROR_NO_SYSTEM_RESOURCES,
		windows.ERROR_WORKING_SET_QUOTA, windows.ERROR_PAGEFILE_QUOTA, windows.ERROR_NOT_ENOUGH_QUOTA, errLostAddresses,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// limitOf is the limit that an error names by itself.
func limitOf(err error) Limit {
	switch {
	case errors.Is(err, windows.ERROR_COMMITMENT_LIMIT):
		return LimitCommit
	case errors.Is(err, windows.ERROR_NOT_ENOUGH_QUOTA), errors.Is(err, windows.ERROR_PAGEFILE_QUOTA):
		return LimitGroup
	}
	return ""
}
