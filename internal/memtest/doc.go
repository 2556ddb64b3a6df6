// Package memtest limits, fragments and observes the memory of processes, for tests and
// benchmarks. It depends neither on the engine nor on the loader. Where a system does not support a
// function, the error is an [*Unsupported] that names what is missing:
//
//	memtest.Need(t, err) // skips on *Unsupported, fails on any other error
//
// # Child processes
//
// What changes a whole process must run in a child process. The test binary starts itself again
// and runs a registered function instead of its tests:
//
//	func TestMain(m *testing.M) {
//		os.Exit(memtest.Main(m, memtest.Children{"load": func(args []string) int { … }}))
//	}
//
//	res, err := memtest.Run(ctx, memtest.Child("load", "model.gguf"), memtest.Limits{})
//	// res.Stdout, res.Stderr, res.Code, res.Signal, res.MaxRSS, res.DiskRead
//
// [Infer] returns the path of the infer command: the one that INFER_BIN names, or a build of it,
// made at most once per test binary:
//
//	cmd := exec.Command(memtest.Infer(t), "-m", path, "-p", "hello")
//
// # Limits
//
// [Limits] are set before the first instruction of the child. [SetLimits] sets them for the calling
// process, usually with Headroom, since the Go runtime alone reserves more than 1 GiB of addresses:
//
//	memtest.Run(ctx, cmd, memtest.Limits{AddressSpace: 4 << 30})
//	memtest.SetLimits(memtest.Limits{Data: 64 << 20, Headroom: true})
//
// # Control groups
//
// [NewCgroup] creates a control group with a memory limit, version 1 or 2. A file's pages are
// charged to the group that reads them first, so drop them from the page cache before:
//
//	cg, err := memtest.NewCgroup(300 << 20)
//	memtest.Need(t, err)
//	defer cg.Close()
//	memtest.Need(t, memtest.DropCache(model))
//	res, err := memtest.Run(ctx, cmd, memtest.Limits{Cgroup: cg})
//	use, err := cg.Usage() // use.Peak, use.Failures, use.OOMKills
//
// On Windows a group is a job object, and its limit is on committed memory. Job objects of wine have
// no limits.
//
// # Fragmentation
//
// [Carve] fragments the address space of the calling process into holes of a given size. Call it in
// a child, after the libraries that the program needs have been loaded:
//
//	c, err := memtest.Carve(memtest.CarveOptions{HoleSize: 160 << 20})
//	// c.LargestHole; mapping 200 MiB fails now, mapping 128 MiB works
//	err = c.Undo()
//
// On Windows, reservations of VirtualAlloc fill the address space. wine stores one byte per reserved
// page, so that under wine 8, which allows Linux system calls, Linux mappings fill it instead.
//
// Set MALLOC_ARENA_MAX=1 in the child's environment ([Child] does); otherwise glibc reserves 64 MiB
// of a hole for each thread. Carve does not support binaries with the race detector.
//
// # Address space
//
// [Maps] reads the mappings of a process. [LargestRange] returns the largest contiguous range:
//
//	before, err := memtest.Maps(0)
//	…
//	after, err := memtest.Maps(0)
//	r := memtest.LargestRange(memtest.NewSince(before, after), memtest.OfFile(model))
//
// # System calls
//
// [Trace] runs a command and records all calls of its threads and descendants that change its
// address space. Each call has a phase: the last one that the child named by [Mark], or that
// TraceOptions.Mark derived from an opened file or written bytes:
//
//	res, calls, err := memtest.Trace(ctx, cmd, memtest.TraceOptions{})
//	memtest.LargestMapping(calls, memtest.InPhase("load", "generate")).Granted
//	memtest.LargestFileMapping(calls, model).Granted
//	memtest.LargestReservation(calls, memtest.InPhase("load")).Reserved
//
// Some memory is not the tested program's. Each [Call] names its Owner, and the Largest functions
// leave out calls with one. The Go heap grows in arenas of 64 MiB at 0xc000000000 and up, in commits
// of 4 MiB or more. Thread stacks are mapped with MAP_STACK, 8 MiB each. glibc reserves malloc arenas
// of 128 MiB without access, which cannot be told from the program's reservations, so that Trace
// prevents them by MALLOC_ARENA_MAX=1. Blocks that malloc maps (over 128 KiB) count as the program's.
// The Go runtime's first reservations come before the first phase.
//
// # Files
//
// [SmallDisk] makes a folder with a size limit, [ReadOnlyDir] one that refuses writes, also from
// root. [ReplaceFile] and [os.Truncate] change a file that is in use.
//
// All functions are safe for concurrent use, but Carve, SetLimits and similar ones change the whole
// process.
package memtest
