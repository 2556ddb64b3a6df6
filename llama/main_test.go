package llama_test

import (
	"os"
	"testing"

	"github.com/seed7adf6694/infer/internal/memtest"
)

// children are the functions that tests run in processes of their own.
var children = memtest.Children{}

func TestMain(m *testing.M) { os.Exit(memtest.Main(m, children)) }
