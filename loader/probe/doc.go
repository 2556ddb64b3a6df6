// Package probe measures how much memory this process may have: [Measure] reads the limits from the
// system, and [Probe.Confirm] tests the largest block. Limits have names ([Limit]). It also reads
// the memory that the process uses ([ProcessMemory]), memory pressure of the control group, and
// how many processors the process may use.
//
// On Windows addresses are reserved in units of 64 KiB, and private memory is charged against the
// commit limit. That limit rises when page files grow: a [Probe] has its current and its
// possible value.
package probe
