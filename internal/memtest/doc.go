// Package memtest makes memory scarce, fragmented or watched for a process, so that
// tests can show, and benchmarks measure, what a program does then. Nothing in it knows the engine or the
// loader, nothing in it imports testing, and what a system cannot do is an
// [*Unsupported] error that names exactly what is missing:
//
//	memtest.Need(t, err) // skips on *Unsupported, fails on any other error
//
// # Child processes
//
// Whatever spoils a process belongs in one of its own. The test binary starts itself
// again and runs a registered function instead of its tests:
//
//	func TestMain(m *testing.M) {
//		os.Exit(memtest.Main(m, memtest.Children{"load": func(args []string) int { … }}))
//	}
//
//	res, err := memtest.Run(ctx, memtest.Child("load", "model.gguf"), memtest.Limits{})
//	// res.Stdout, res.Stderr, res.Code, res.Signal, res.MaxRSS, res.DiskRead
//
// [Infer] is the path of the infer command, built at most once per test binary, or
// the one that INFER_BIN names:
//
//	cmd := exec.Command(memtest.Infer(t), "-m", path, "-p", "hello")
//
// # Limits
//
// [Limits] are in force before the first instruction of the child. [SetLimits] puts
// them on the calling process, where Headroom is mostly what is wanted, because the
// Go runtime alone reserves more than 1 GiB of addresses:
//
//	memtest.Run(ctx, cmd, memtest.Limits{AddressSpace: 4 << 30})
//	memtest.SetLimits(memtest.Limits{Data: 64 << 20, Headroom: true})
//
// # Control groups
//
// [NewCgroup] makes a child group with a memory limit, version 1 or 2. Pages of a file
// are charged to the group that reads them first, so drop them before:
//
//	cg, err := memtest.NewCgroup(300 << 20)
//	memtest.Need(t, err)
//	defer cg.Close()
//	memtest.Need(t, memtest.DropCache(model))
//	res, err := memtest.Run(ctx, cmd, memtest.Limits{Cgroup: cg})
//	use, err := cg.Usage() // use.Peak, use.Failures, use.OOMKills
//
// On Windows groups are job objects, and what counts is what their processes commit. wine
// does not keep their limits.
//
// # Fragmentation
//
// [Carve] leaves the calling process an address space of holes, none of them larger
// than asked. Call it in a child, once the libraries that the program needs are up:
//
//	c, err := memtest.Carve(memtest.CarveOptions{HoleSize: 160 << 20})
//	// c.LargestHole; mapping 200 MiB fails now, mapping 128 MiB works
//	err = c.Undo()
//
// On Windows reservations of VirtualAlloc fill the address space. wine keeps a byte for each
// page of those, so there the addresses of the system below it are filled: of wine 8, which
// lets programs call that system.
//
// Set MALLOC_ARENA_MAX=1 in its environment ([Child] does), or glibc reserves 64 MiB
// of a hole for each thread. A binary of the race detector cannot be carved.
//
// # Address space
//
// [Maps] reads the mappings of a process, [LargestRange] the largest run of them:
//
//	before, err := memtest.Maps(0)
//	…
//	after, err := memtest.Maps(0)
//	r := memtest.LargestRange(memtest.NewSince(before, after), memtest.OfFile(model))
//
// # System calls
//
// [Trace] runs a command and records each call that changes its address space, of all
// threads and descendants. Calls carry a phase: what the child last said with [Mark],
// or what TraceOptions.Mark made of a file opened or bytes written:
//
//	res, calls, err := memtest.Trace(ctx, cmd, memtest.TraceOptions{})
//	memtest.LargestMapping(calls, memtest.InPhase("load", "generate")).Granted
//	memtest.LargestFileMapping(calls, model).Granted
//	memtest.LargestReservation(calls, memtest.InPhase("load")).Reserved
//
// Three things map memory beside the program under test; each [Call] says so in Owner
// and the Largest functions leave them out. The Go heap grows inside arenas of 64 MiB
// at 0xc000000000 and up, in commits of 4 MiB or more. Thread stacks are mapped with
// MAP_STACK, 8 MiB each. glibc reserves malloc arenas of 128 MiB without access; they
// look like anyone's reservation of that size, so Trace forbids them with
// MALLOC_ARENA_MAX=1. What malloc itself maps (blocks over 128 KiB) is the program's
// and stays in. What the Go runtime reserves at start lies before the first phase.
//
// # Files
//
// [SmallDisk] is a folder that fills up, [ReadOnlyDir] one that takes nothing, even
// from root; [ReplaceFile] and [os.Truncate] change a file under its reader.
//
// All functions may be called from several goroutines, except that Carve, SetLimits
// and their likes change the whole process.
package memtest
