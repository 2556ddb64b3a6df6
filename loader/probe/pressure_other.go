//go:build !linux

package probe

import "time"

type pressureWatch struct{ short chan struct{} }

func (*pressureWatch) open()                         {}
func (*pressureWatch) poll()                         {}
func (*pressureWatch) told() bool                    { return false }
func (*pressureWatch) waited() (time.Duration, bool) { return 0, false }
func (*pressureWatch) close() error                  { return nil }
