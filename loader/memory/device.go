package memory

import (
	"maps"
	"slices"
	"sync"

	"github.com/seed7adf6694/infer/loader/probe"
)

// Devices accounts for memory of devices, which their drivers allocate: a ledger for each device. The
// zero value is ready to use. It is safe for concurrent use.
type Devices struct {
	// Admit, if set, is called before each allocation, as [Ledger].Admit. The purpose is
	// PurposeCompute where it is not known yet. It must not be changed once the value is in use.
	Admit func(device string, p Purpose, size uint64) error

	mu      sync.Mutex
	ledgers map[string]*Ledger
}

// DeviceUsage is the memory of one device.
type DeviceUsage struct {
	Device string `json:"device"`
	Memory Usage  `json:"memory"`
}

// Take asks Admit, and counts size bytes of a device.
func (d *Devices) Take(device string, p Purpose, size uint64) error {
	if err := p.check(); err != nil {
		return err
	}
	if d.Admit != nil {
		if err := d.Admit(device, p, size); err != nil {
			return &Error{Purpose: p, Requested: size, Limit: probe.LimitDevice(device), Remedies: []Remedy{{Kind: RemedyGPULayers}}, Err: err}
		}
	}
	d.of(device).take(p, size, size)
	return nil
}

// Retag moves size bytes from one purpose to another.
func (d *Devices) Retag(device string, from, to Purpose, size uint64) {
	d.of(device).retag(from, to, size, 1, size, size)
}

// Give counts size bytes as freed.
func (d *Devices) Give(device string, p Purpose, size uint64) { d.of(device).give(p, size, 1) }

// Snapshot returns the usage of all devices whose memory has been taken, by name.
func (d *Devices) Snapshot() []DeviceUsage {
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []DeviceUsage
	for _, name := range slices.Sorted(maps.Keys(d.ledgers)) {
		list = append(list, DeviceUsage{name, d.ledgers[name].Snapshot()})
	}
	return list
}

func (d *Devices) of(device string) *Ledger {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ledgers == nil {
		d.ledgers = map[string]*Ledger{}
	}
	l := d.ledgers[device]
	if l == nil {
		l = &Ledger{}
		d.ledgers[device] = l
	}
	return l
}
