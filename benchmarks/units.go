package benchmarks

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/seed7adf6694/infer/internal/words"
)

// Names of metrics that are used in several files. The suffix is the unit.
const (
	tokenRate     = "tokens_per_second" // generation only, without load and prompt
	promptRate    = "prompt_tokens_per_second"
	loadTime      = "load_seconds"
	firstToken    = "first_token_seconds" // from the beginning of the load
	readPerToken  = "read_bytes_per_token"
	readInAll     = "read_bytes" // of the whole process
	streamedToken = "streamed_bytes_per_token"
	groupPeak     = "group_peak_bytes"
	limitBytes    = "limit_bytes"
	diskRate      = "disk_bytes_per_second"
	diskBusyRate  = "disk_busy_bytes_per_second" // while the processors are busy
)

// unit is the unit of a metric.
type unit int

const (
	asCount unit = iota
	inBytes
	inBytesPerSecond
	perSecond
	inSeconds
	asRatio
)

func unitOf(metric string) unit {
	switch {
	case strings.HasSuffix(metric, "_bytes"), strings.HasSuffix(metric, "_bytes_per_token"):
		return inBytes
	case strings.HasSuffix(metric, "_bytes_per_second"):
		return inBytesPerSecond
	case strings.HasSuffix(metric, "_per_second"):
		return perSecond
	case strings.HasSuffix(metric, "_seconds"):
		return inSeconds
	case strings.HasSuffix(metric, "_ratio"):
		return asRatio
	}
	return asCount
}

// figure formats a value for tables.
func figure(metric string, v float64) string {
	switch unitOf(metric) {
	case inBytes:
		return size(v)
	case inBytesPerSecond:
		return size(v) + "/s"
	case inSeconds:
		return duration(v)
	case asRatio:
		return fmt.Sprintf("%.2f", v)
	}
	return digits(v)
}

func size(v float64) string { return words.Size(uint64(max(math.Round(v), 0))) }

func duration(v float64) string {
	d := time.Duration(v * float64(time.Second))
	switch {
	case v < 1e-3:
		return digits(v*1e6) + " µs"
	case v < 1:
		return digits(v*1e3) + " ms"
	case d < 10*time.Minute:
		return digits(v) + " s"
	}
	return d.Round(time.Second).String()
}

// digits formats three significant digits, or the whole integer part if that is longer.
func digits(v float64) string {
	if v == math.Trunc(v) || math.Abs(v) >= 100 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	decimals := 2
	if math.Abs(v) >= 10 {
		decimals = 1
	} else if math.Abs(v) < 1 {
		return strconv.FormatFloat(v, 'g', 3, 64)
	}
	return strconv.FormatFloat(v, 'f', decimals, 64)
}
