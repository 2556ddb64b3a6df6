// Package probe tells what memory this process may have: [Measure] reads it from the system,
// and [Probe.Confirm] asks for the largest block. It knows the limits by name ([Limit]), the
// memory that the process has ([ProcessMemory]), what the control group or job object says of
// memory pressure, and how many processors the process may use.
//
// On Windows addresses are reserved in units of 64 KiB, and private memory is charged against the
// commit limit, which page files that grow raise: a [Probe] has the limit as it is and as it can
// become.
package probe
