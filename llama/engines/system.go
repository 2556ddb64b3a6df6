package engines

import (
	"runtime"
	"strings"
	"sync"

	"github.com/seed7adf6694/infer/llama/internal/features"
)

// machine names what a verdict depends on beside the engine: system, processor, and the system's
// version, which decides which instructions may be used.
var machine = sync.OnceValue(func() string {
	return strings.Join(append([]string{runtime.GOOS + "/" + runtime.GOARCH, systemVersion()}, features.Available()...), " ")
})
