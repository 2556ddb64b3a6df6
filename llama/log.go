//go:build cgo

package llama

// #include "shim.h"
import "C"

import (
	"context"
	"log/slog"
	"strings"
	"sync"
)

// The engine has one log callback per process, so this is global too.
var logSink struct {
	mu      sync.Mutex
	logger  *slog.Logger
	level   slog.Level
	partial strings.Builder // the engine logs parts of lines
}

// SetLogger sends the engine's log to l, for the whole process. nil, the default, discards it.
// Levels are the engine's: debug, info, warn, error. Safe for concurrent use.
func SetLogger(l *slog.Logger) {
	logSink.mu.Lock()
	logSink.logger = l
	logSink.partial.Reset()
	logSink.mu.Unlock()

	level := C.int(C.GGML_LOG_LEVEL_CONT + 1)
	if l != nil {
		for c, s := range map[C.int]slog.Level{
			C.GGML_LOG_LEVEL_DEBUG: slog.LevelDebug, C.GGML_LOG_LEVEL_INFO: slog.LevelInfo,
			C.GGML_LOG_LEVEL_WARN: slog.LevelWarn, C.GGML_LOG_LEVEL_ERROR: slog.LevelError,
		} {
			if l.Enabled(context.Background(), s) && c < level {
				level = c
			}
		}
	}
	C.infer_set_log_level(level)
}

//export goInferLog
func goInferLog(level C.int, text *C.char) {
	s := C.GoString(text)
	logSink.mu.Lock()
	defer logSink.mu.Unlock()
	if logSink.logger == nil {
		return
	}
	switch level {
	case C.GGML_LOG_LEVEL_DEBUG:
		logSink.level = slog.LevelDebug
	case C.GGML_LOG_LEVEL_WARN:
		logSink.level = slog.LevelWarn
	case C.GGML_LOG_LEVEL_ERROR:
		logSink.level = slog.LevelError
	default:
		logSink.level = slog.LevelInfo
	}
	for {
		line, rest, ok := strings.Cut(s, "\n")
		logSink.partial.WriteString(line)
		if !ok {
			return
		}
		if msg := strings.TrimSpace(logSink.partial.String()); msg != "" {
			logSink.logger.Log(context.Background(), logSink.level, msg, "engine", "llama.cpp")
		}
		logSink.partial.Reset()
		s = rest
	}
}
