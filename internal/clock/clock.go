// Package clock measures durations of less than a millisecond on every system. On Windows the
// clock of package time advances in steps of 0.5 to 16 ms, so that a short duration is often 0.
package clock

import "time"

// Now returns the time since a moment that stays the same while the program runs. It never
// goes back.
func Now() time.Duration { return now() }

// Since returns the time since start, which [Now] returned.
func Since(start time.Duration) time.Duration { return now() - start }
