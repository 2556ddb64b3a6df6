//go:build cgo

package runtime_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"

	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/runtime"
)

func init() { children["requests"] = childRequests }

// answered is what became of many requests.
type answered struct {
	Stats    runtime.BatchStats
	Mode     string
	Adjusted []runtime.Adjustment
}

// Requests of mixed lengths, 64 at a time, in little more memory than the model has. The number of them
// is $INFER_TEST_REQUESTS, by default few.
func TestManyRequestsInLittleMemory(t *testing.T) {
	memtest.WithoutRace(t)
	path := model(t, "large", "f16")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	shares := []float64{0.8, 1.15}
	if testing.Short() {
		shares = shares[:1]
	}
	for _, share := range shares {
		t.Run(fmt.Sprint(share), func(t *testing.T) {
			cg, err := memtest.NewCgroup(uint64(share * float64(info.Size())))
			memtest.Need(t, err)
			defer cg.Close()
			n := cmp.Or(os.Getenv("INFER_TEST_REQUESTS"), "72")
			res, err := memtest.Run(t.Context(), memtest.Child("requests", path, n), memtest.Limits{Cgroup: cg})
			if err != nil {
				t.Fatal(err)
			}
			use, err := cg.Usage()
			if err != nil {
				t.Fatal(err)
			}
			var got struct{ Mode string }
			if err := json.Unmarshal(res.Stdout, &got); err != nil || res.Code != 0 || use.OOMKills != 0 {
				t.Fatal(res, use)
			}
			t.Logf("%s %+v", res.Stdout, use)
		})
	}
}

// childRequests computes requests, 64 at a time, and prints what became of them.
func childRequests(args []string) int {
	n, err := strconv.Atoi(args[1])
	if err != nil {
		return 2
	}
	err = func() error {
		m, err := runtime.Open(background, args[0], runtime.Options{})
		if err != nil {
			return err
		}
		defer m.Close()
		b, err := m.NewBatch(background, runtime.BatchOptions{Slots: 64, Queue: 64})
		if err != nil {
			return err
		}
		defer b.Close()
		var wg sync.WaitGroup
		errs := make(chan error, 64)
		numbers := make(chan int)
		for range 64 {
			wg.Go(func() {
				for i := range numbers {
					if err := ofMixedLength(b, i); err != nil {
						select {
						case errs <- err:
						default:
						}
					}
				}
			})
		}
		for i := range n {
			numbers <- i
		}
		close(numbers)
		wg.Wait()
		select {
		case err := <-errs:
			return err
		default:
		}
		return json.NewEncoder(os.Stdout).Encode(answered{b.Stats(), m.Report().LoadMode.String(), b.Adjusted()})
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// ofMixedLength makes a request whose lengths depend on its number, and checks that the answer is whole.
func ofMixedLength(b *runtime.Batch, i int) error {
	r := rand.New(rand.NewPCG(uint64(i), 1))
	o := greedyOptions(1 + r.IntN(16))
	o.IgnoreEOG = true
	for range 1 + r.IntN(20) {
		o.Tokens = append(o.Tokens, int32(5+r.IntN(1000)))
	}
	n := 0
	for tok, err := range b.Generate(background, "", o) {
		if err != nil {
			return err
		}
		n++
		if tok.Finish != "" && (tok.Finish != runtime.FinishLength || n != o.MaxTokens) {
			return fmt.Errorf("request %d ended with %q after %d of %d tokens", i, tok.Finish, n, o.MaxTokens)
		}
	}
	return nil
}
