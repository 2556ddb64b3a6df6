package probe

import (
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/windows"
)

const gib = 1 << 30

// desktop is a machine of 32 GiB: 10 GiB are free, and only 3 GiB may still be promised.
func desktop(change func(f *figures)) figures {
	f := figures{
		limit: 36 * gib, commit: 33 * gib, own: 1 << 20, least: 200 << 10,
		job: job{process: Unlimited, all: Unlimited},
	}
	f.memory.totalPhys, f.memory.availPhys = 32*gib, 10*gib
	f.files = []PageFile{{Path: `C:\pagefile.sys`, Size: 4 * gib, Used: gib, Most: 4 * gib}}
	f.memory.totalPageFile, f.memory.availPageFile = f.limit, f.limit-f.commit
	if change != nil {
		change(&f)
	}
	return f
}

func TestTheProbeOfWindows(t *testing.T) {
	inJob := func(j job) func(f *figures) {
		return func(f *figures) { j.in = true; f.job = j; f.own = gib }
	}
	for _, tt := range []struct {
		name                 string
		figures              figures
		block, possible      uint64
		by, possibleBy       Limit
		available, reach     uint64
		availableBy, reachBy Limit
	}{
		{"a page file that can't grow", desktop(nil), 3 * gib, 3 * gib, LimitCommit, LimitCommit, 3 * gib, 3 * gib, LimitCommit, LimitCommit},
		{"a page file that grows", desktop(func(f *figures) { f.files[0].Most = 9 * gib }), 3 * gib, 8 * gib, LimitCommit, LimitGrown, 3 * gib, 8 * gib, LimitCommit, LimitGrown},
		{"more than RAM has", desktop(func(f *figures) { f.files[0].Most = 40 * gib }), 3 * gib, 39 * gib, LimitCommit, LimitGrown, 3 * gib, 10 * gib, LimitCommit, LimitRAM},
		{"a job's limit of a process", desktop(inJob(job{process: 3 * gib, all: Unlimited})), 2 * gib, 2 * gib, LimitGroup, LimitGroup, 2 * gib, 2 * gib, LimitGroup, LimitGroup},
		{"a job's limit of all its processes", desktop(inJob(job{process: Unlimited, all: 8 * gib, used: 7 * gib})), gib, gib, LimitGroup, LimitGroup, gib, gib, LimitGroup, LimitGroup},
		{"the one that leaves less", desktop(inJob(job{process: 2 * gib, all: 8 * gib, used: 7*gib + gib/2})), gib / 2, gib / 2, LimitGroup, LimitGroup, gib / 2, gib / 2, LimitGroup, LimitGroup},
		{"a job around the job", desktop(func(f *figures) {
			f.job.in = true
			f.memory.totalPageFile, f.memory.availPageFile = 2*gib, gib
		}), gib, gib, LimitGroup, LimitGroup, gib, gib, LimitGroup, LimitGroup},
		{"an overrun limit leaves nothing", desktop(inJob(job{process: gib / 2, all: Unlimited})), 0, 0, LimitGroup, LimitGroup, 0, 0, LimitGroup, LimitGroup},
	} {
		p := tt.figures.probe()
		p.finish()
		if p.LargestFreeBlock != tt.block || p.LimitedBy != tt.by || p.PossibleBlock != tt.possible || p.PossibleBy != tt.possibleBy {
			t.Errorf("%s: block %d by %s, possible %d by %s", tt.name, p.LargestFreeBlock, p.LimitedBy, p.PossibleBlock, p.PossibleBy)
		}
		if l := p.Blame(Committing, 64*gib, ""); l.Limit != tt.by || l.Left != tt.block {
			t.Errorf("%s: refused by %+v", tt.name, l)
		}
		if n, by := p.Available(); n != tt.available || by != tt.availableBy {
			t.Errorf("%s: %d available by %s", tt.name, n, by)
		}
		if n, by := p.Possible(); n != tt.reach || by != tt.reachBy {
			t.Errorf("%s: %d possible by %s", tt.name, n, by)
		}
		// A job does not change the figures of the page file.
		if p.SwapTotal != 4*gib || p.SwapFree != 3*gib || p.CommitLimit != 36*gib || p.CgroupOuter != tt.figures.job.in {
			t.Errorf("%s: %+v", tt.name, p)
		}
	}
}

// A refusal by a job object names the job object.
func TestARefusalNamesTheJobObject(t *testing.T) {
	f := desktop(func(f *figures) { f.job = job{in: true, process: Unlimited, all: 2 * gib, used: gib} })
	p := f.probe()
	p.finish()
	if n, by := p.Available(); n != gib || by != "job object" {
		t.Errorf("%d left by the %s", n, by)
	}
	if LimitOf(windows.ERROR_NOT_ENOUGH_QUOTA) != LimitGroup {
		t.Error("what the system refuses has another name")
	}
}

func TestProcessorLimitOfAJob(t *testing.T) {
	for _, tt := range []struct {
		name    string
		c       cpuRateControl
		want    float64
		limited bool
	}{
		{"none", cpuRateControl{}, 0, false},
		{"a hard cap of a quarter", cpuRateControl{rateEnable | rateHardCap, 2500}, 2, true},
		{"that is not a hard cap", cpuRateControl{rateEnable, 2500}, 0, false},
		{"a weight", cpuRateControl{rateEnable | 2, 5}, 0, false},
		{"from a tenth to a half", cpuRateControl{rateEnable | rateMinMax, 5000<<16 | 1000}, 4, true},
		{"all", cpuRateControl{rateEnable | rateHardCap, 10000}, 0, false},
	} {
		if got, limited := tt.c.limit(8); got != tt.want || limited != tt.limited {
			t.Errorf("%s: %v, %v", tt.name, got, limited)
		}
	}
	if n, limited := ProcessorLimit(); limited {
		t.Logf("the job of this test has %v processors", n)
	}
}

func TestPageFileSettings(t *testing.T) {
	got := parsePageFileSettings([]string{`?:\pagefile.sys`, `C:\pagefile.sys 0 0`, `D:\my files\pagefile.sys 1024 4096`, `E:\pagefile.sys 16`, "", ` `, `F:\a x y`})
	want := []pageFileSetting{{`?:\pagefile.sys`, 0}, {`C:\pagefile.sys`, 0}, {`D:\my files\pagefile.sys`, 4 * gib}, {`E:\pagefile.sys`, 16 << 20}, {`F:\a x y`, 0}}
	if !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
}

func TestHowFarPageFilesGrow(t *testing.T) {
	for _, tt := range []struct {
		name              string
		setting           string
		ram, volume, free uint64
		most              uint64
		managed           bool
	}{
		{"three times the RAM", `C:\pagefile.sys 0 0`, 8 * gib, 1000 * gib, 500 * gib, 24 * gib, true},
		{"of all disks", `?:\PAGEFILE.SYS`, 8 * gib, 1000 * gib, 500 * gib, 24 * gib, true},
		{"at least 4 GiB", `C:\pagefile.sys 0 0`, gib, 1000 * gib, 500 * gib, 4 * gib, true},
		{"an eighth of the volume", `C:\pagefile.sys 0 0`, 32 * gib, 256 * gib, 100 * gib, 32 * gib, true},
		{"what the volume has free", `C:\pagefile.sys 0 0`, 8 * gib, 1000 * gib, 3 * gib, 5 * gib, true},
		{"as was set", `c:\pagefile.sys 1024 6144`, 32 * gib, 1000 * gib, 500 * gib, 6 * gib, false},
		{"of one size", `C:\pagefile.sys 2048 2048`, 32 * gib, 1000 * gib, 500 * gib, 2 * gib, false},
		{"smaller than it is", `C:\pagefile.sys 16 16`, 32 * gib, 1000 * gib, 500 * gib, 2 * gib, false},
		{"another file's setting", `D:\pagefile.sys 0 0`, 32 * gib, 1000 * gib, 500 * gib, 2 * gib, false},
	} {
		f := PageFile{Path: `C:\pagefile.sys`, Size: 2 * gib}
		f.grows(parsePageFileSettings([]string{tt.setting}), tt.ram, tt.volume, tt.free)
		if f.Most != tt.most || f.Managed != tt.managed {
			t.Errorf("%s: %+v", tt.name, f)
		}
	}
}

// The system's own figures agree with each other, in a job and out of it.
func TestMeasureOnWindows(t *testing.T) {
	p, err := Measure()
	if err != nil {
		t.Fatal(err)
	}
	if p.CommitLimit < p.RAMTotal/2 || p.CommitLeft == 0 || p.CommitLeft > p.CommitLimit || p.CommitPossible < p.CommitLimit || p.CommitPossibleLeft-p.CommitLeft != p.CommitPossible-p.CommitLimit ||
		p.PossibleBlock < p.LargestFreeBlock || p.LargestHole < gib || p.RAMAvailable == 0 || p.RAMAvailable > p.RAMTotal {
		t.Errorf("%+v", p)
	}
	list, err := CommittedByPrograms()
	if err != nil || len(list) == 0 {
		t.Errorf("%v, %v", list, err)
	}
	if !slices.IsSortedFunc(list, func(a, b Committed) int { return int(b.Bytes>>20) - int(a.Bytes>>20) }) {
		t.Error(list)
	}
}

func TestWithoutAJobTheProcessSeesTheCommitOfTheSystem(t *testing.T) {
	if inJob() {
		t.Skip("this test runs in a job")
	}
	system, err := readCommit(true)
	if err != nil {
		t.Fatal(err)
	}
	own, err := readCommit(false)
	if err != nil {
		t.Fatal(err)
	}
	apart := func(a, b uint64) uint64 { return max(a, b) - min(a, b) }
	// Other processes allocate meanwhile, and page files grow.
	if system.limit == 0 || apart(system.limit, own.limit) > system.limit/8 || apart(system.commit, own.commit) > system.limit/8 {
		t.Errorf("limit %d and commit %d; of the system %d and %d", own.limit, own.commit, system.limit, system.commit)
	}
}

// A process that computes sees its own time grow by what it computed.
func TestProcessorTimeOfWindows(t *testing.T) {
	before, ok := ReadProcessorTime()
	if !ok {
		t.Fatal("the system does not tell")
	}
	for {
		now, ok := ReadProcessorTime()
		if !ok || now.Idle < before.Idle || now.Own < before.Own {
			t.Fatalf("%+v, %v after %+v", now, ok, before)
		}
		if now.Own-before.Own > 20*time.Millisecond {
			return
		}
	}
}
