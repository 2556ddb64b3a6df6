package enginepath

import (
	"strings"
	"testing"
)

func TestLongPathsAreMarked(t *testing.T) {
	long := strings.Repeat(`folder\`, 40) + "model.gguf"
	for _, tt := range []struct{ path, want string }{
		{`C:\models\m.gguf`, `C:\models\m.gguf`},
		{`C:\` + long, `\\?\C:\` + long},
		{`C:/` + strings.ReplaceAll(long, `\`, "/"), `\\?\C:\` + long},
		{`C:\x\..\` + long, `\\?\C:\` + long},
		{`\\server\share\` + long, `\\?\UNC\server\share\` + long},
		{`\\?\C:\` + long, `\\?\C:\` + long},
		{`\\.\C:\` + long, `\\.\C:\` + long},
	} {
		if got := Native(tt.path); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.path, got, tt.want)
		}
	}
	if got := Native(long); !strings.HasPrefix(got, `\\?\`) || !strings.HasSuffix(got, `\`+long) {
		t.Errorf("a relative path: %s", got)
	}
}
