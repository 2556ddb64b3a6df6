package memtest_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed7adf6694/infer/internal/memtest"
)

func init() {
	children["limits"] = func([]string) int {
		for _, r := range []int{unix.RLIMIT_AS, unix.RLIMIT_DATA, unix.RLIMIT_FSIZE, unix.RLIMIT_MEMLOCK} {
			var lim unix.Rlimit
			if err := unix.Getrlimit(r, &lim); err != nil {
				return fail(err)
			}
			fmt.Println(lim.Cur)
		}
		return 0
	}
	children["headroom"] = func([]string) int {
		if err := memtest.SetLimits(memtest.Limits{AddressSpace: 512 << 20, Data: 128 << 20, Headroom: true}); err != nil {
			return fail(err)
		}
		for _, c := range []struct {
			size uint64
			prot int
			want error
		}{
			{256 << 20, unix.PROT_NONE, nil},
			{512 << 20, unix.PROT_NONE, unix.ENOMEM}, // addresses
			{64 << 20, unix.PROT_WRITE, nil},
			{128 << 20, unix.PROT_WRITE, unix.ENOMEM}, // data
		} {
			if _, err := mapAnon(c.size, c.prot); !errors.Is(err, c.want) {
				return fail(fmt.Errorf("mapping %d bytes, protection %d: %v, want %v", c.size, c.prot, err, c.want))
			}
		}
		return 0
	}
	children["use memory"] = func(args []string) int {
		n, err := strconv.Atoi(args[0])
		if err != nil {
			return fail(err)
		}
		b, err := mapAnon(uint64(n), unix.PROT_READ|unix.PROT_WRITE)
		if err != nil {
			return fail(err)
		}
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		return 0
	}
	children["read"] = func(args []string) int {
		f, err := os.Open(args[0])
		if err != nil {
			return fail(err)
		}
		buf := make([]byte, 1<<20)
		for {
			if n, err := f.Read(buf); n == 0 {
				fmt.Print(err)
				return 0
			}
		}
	}
	children["write"] = func(args []string) int {
		err := os.WriteFile(args[0], make([]byte, 4<<20), 0o600)
		if errors.Is(err, unix.EFBIG) {
			fmt.Print("file too large")
			return 0
		}
		return fail(fmt.Errorf("not refused: %v", err))
	}
}

func TestLimits(t *testing.T) {
	t.Run("are in force from the start of the child", func(t *testing.T) {
		l := memtest.Limits{AddressSpace: 5 << 30, Data: 3 << 30, FileSize: 2 << 20, Locked: 1 << 16}
		want := fmt.Sprintf("%d\n%d\n%d\n%d\n", l.AddressSpace, l.Data, l.FileSize, l.Locked)
		if res := pass(t, l, "limits"); string(res.Stdout) != want {
			t.Errorf("got %q, want %q", res.Stdout, want)
		}
	})
	t.Run("count from what is there when headroom is asked for", func(t *testing.T) {
		pass(t, memtest.Limits{}, "headroom")
	})
	t.Run("on the size of a file make writing fail", func(t *testing.T) {
		pass(t, memtest.Limits{FileSize: 1 << 20}, "write", filepath.Join(t.TempDir(), "f"))
	})
	t.Run("that cannot be had leave no child behind", func(t *testing.T) {
		res, err := memtest.Run(t.Context(), memtest.Child("hang"), memtest.Limits{Cgroup: &memtest.Cgroup{Path: t.TempDir()}})
		if !errors.Is(err, os.ErrNotExist) {
			t.Error(res, err)
		}
	})
	t.Run("do not disturb the tests beside them", func(t *testing.T) {
		for range 8 {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				pass(t, memtest.Limits{Data: 4 << 30}, "use memory", "1000000")
			})
		}
	})
}

func newCgroup(t *testing.T, limit uint64) *memtest.Cgroup {
	t.Helper()
	cg, err := memtest.NewCgroup(limit)
	memtest.Need(t, err)
	t.Cleanup(func() {
		if err := errors.Join(cg.Close(), cg.Close()); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(cg.Path); !errors.Is(err, os.ErrNotExist) {
			t.Error("the group is still there:", err)
		}
	})
	return cg
}

func usage(t *testing.T, cg *memtest.Cgroup) memtest.CgroupUsage {
	t.Helper()
	u, err := cg.Usage()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("version %d: %+v", cg.Version, u)
	return u
}

func TestCgroup(t *testing.T) {
	const limit = 48 << 20
	t.Run("a child within the limit lives", func(t *testing.T) {
		cg := newCgroup(t, limit)
		pass(t, memtest.Limits{Cgroup: cg}, "use memory", strconv.Itoa(24<<20))
		if u := usage(t, cg); u.OOMKills != 0 || u.Peak != 0 && (u.Peak < 24<<20 || u.Peak > limit) {
			t.Error("not what the child did")
		}
	})
	t.Run("a child beyond the limit is killed and counted", func(t *testing.T) {
		cg := newCgroup(t, limit)
		res := run(t, memtest.Limits{Cgroup: cg}, "use memory", strconv.Itoa(2*limit))
		if res.Signal != syscall.SIGKILL {
			t.Error(res)
		}
		if u := usage(t, cg); u.OOMKills == 0 || u.Failures == 0 {
			t.Error("not counted")
		}
	})
	t.Run("the page cache is charged to the child and gives way", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "large")
		if err := os.WriteFile(path, bytes.Repeat([]byte("0123456789abcdef"), limit/8), 0o600); err != nil {
			t.Fatal(err)
		}
		memtest.Need(t, memtest.DropCache(path))
		cg := newCgroup(t, limit)
		res := pass(t, memtest.Limits{Cgroup: cg}, "read", path)
		if res.DiskRead < 2*limit {
			t.Errorf("%d bytes came from the disk, of %d", res.DiskRead, 2*limit)
		}
		u := usage(t, cg)
		if u.OOMKills != 0 || u.File < limit/2 || u.File > limit || u.Failures == 0 {
			t.Error("not charged")
		}
	})
	t.Run("closing ends what still runs", func(t *testing.T) {
		cg := newCgroup(t, limit)
		r, w := io.Pipe()
		cmd := memtest.Child("say and hang")
		cmd.Stdout = w
		done := make(chan memtest.Result)
		go func() {
			res, _ := memtest.Run(t.Context(), cmd, memtest.Limits{Cgroup: cg})
			w.Close()
			done <- res
		}()
		if _, err := r.Read(make([]byte, 1)); err != nil {
			t.Error(err)
		}
		if err := cg.Close(); err != nil {
			t.Error(err)
		}
		if res := <-done; res.Signal != syscall.SIGKILL {
			t.Error(res)
		}
	})
}

func mapAnon(size uint64, prot int) ([]byte, error) {
	return unix.Mmap(-1, 0, int(size), prot, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
}
