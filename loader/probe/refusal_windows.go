package probe

import (
	"errors"

	"golang.org/x/sys/windows"
)

// LimitOf returns the limit that an error names.
func LimitOf(err error) Limit {
	switch {
	case errors.Is(err, windows.ERROR_COMMITMENT_LIMIT):
		return LimitCommit
	case errors.Is(err, windows.ERROR_NOT_ENOUGH_QUOTA), errors.Is(err, windows.ERROR_PAGEFILE_QUOTA):
		return LimitGroup
	}
	return ""
}
