package engines

import (
	"cmp"
	"net/http"
	"time"
)

// Options say how [Add] adds an engine. The zero value is useful for files and folders; what is
// downloaded needs SHA256 or Integrity.
type Options struct {
	// Name is that of the engine's folder; "" is that of the source, without its ending.
	// See [CheckName].
	Name string

	// Dir is the folder in which the engine gets its folder; "" is the user's, [UserDir]. Another one
	// is not looked at by [Find], and may be one that others can write to.
	Dir string

	// Replace replaces an engine of the same name.
	Replace bool

	// SHA256 is that of the archive, in hexadecimal.
	SHA256 string

	// Integrity is what npm says of a package: "sha512-" and a sum in base64. Of several, separated
	// by spaces, those of the strongest algorithm count. SHA-1 is not accepted.
	Integrity string

	// Folder is the folder of the engine within the source, with slashes; needed if there are several.
	Folder string

	// Progress is called with what is done ("downloading", "copying", "unpacking"), and how many bytes
	// of how many; total is 0 if it is unknown. It is called by one goroutine.
	Progress func(step string, done, total uint64)

	// Limits bound what an archive takes.
	Limits Limits

	// Client downloads; nil is one with the proxies of the environment.
	Client *http.Client

	// Stall is how long a server may send nothing; 0 is a minute.
	Stall time.Duration
}

// Limits bound what a source takes, whatever it says of itself. Zeros are the defaults.
type Limits struct {
	Archive  uint64 // bytes of the archive; default 4 GiB
	Unpacked uint64 // bytes that are unpacked to look at or to keep them; default 8 GiB
	Entries  int    // files, folders and links in the archive; default 20000
}

func (o Options) withDefaults() Options {
	o.Limits.Archive = cmp.Or(o.Limits.Archive, 4<<30)
	o.Limits.Unpacked = cmp.Or(o.Limits.Unpacked, 8<<30)
	o.Limits.Entries = cmp.Or(o.Limits.Entries, 20000)
	o.Stall = cmp.Or(o.Stall, time.Minute)
	if o.Progress == nil {
		o.Progress = func(string, uint64, uint64) {}
	}
	if o.Client == nil {
		o.Client = http.DefaultClient
	}
	return o
}
