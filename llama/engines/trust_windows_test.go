package engines_test

import (
	"errors"
	"path/filepath"
	"testing"

	"golang.org/x/sys/windows"

	"github.com/seed7adf6694/infer/llama/engines"
)

// grant gives an account all rights to a file, and the user too.
func grant(t *testing.T, path string, account windows.WELL_KNOWN_SID_TYPE) {
	t.Helper()
	sid, err := windows.CreateWellKnownSid(account)
	if err != nil {
		t.Fatal(err)
	}
	user, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		t.Fatal(err)
	}
	var entries []windows.EXPLICIT_ACCESS
	for _, s := range []*windows.SID{sid, user.User.Sid} {
		entries = append(entries, windows.EXPLICIT_ACCESS{
			AccessPermissions: windows.GENERIC_ALL, AccessMode: windows.GRANT_ACCESS,
			Trustee: windows.TRUSTEE{TrusteeForm: windows.TRUSTEE_IS_SID, TrusteeValue: windows.TrusteeValueFromSID(s)},
		})
	}
	list, err := windows.ACLFromEntries(entries, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := windows.SetNamedSecurityInfo(path, windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION, nil, nil, list, nil); err != nil {
		t.Fatal(err)
	}
}

func TestWhatOthersCanWriteIsNotTrusted(t *testing.T) {
	userFolder(t)
	for _, tt := range []struct {
		name    string
		account windows.WELL_KNOWN_SID_TYPE
		at      []string
		trusted bool
	}{
		{"the folder", windows.WinWorldSid, []string{"b"}, false},
		{"a library", windows.WinWorldSid, []string{"b", file("ggml-base")}, false},
		{"a parent", windows.WinWorldSid, nil, false},
		{"administrators", windows.WinBuiltinAdministratorsSid, []string{"b"}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			top := privateDir(t)
			dir := filepath.Join(top, "b")
			makeFiles(t, dir, engineFiles("v0.5.0"))
			at := filepath.Join(append([]string{top}, tt.at...)...)
			grant(t, at, tt.account)
			f, err := engines.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			var e *engines.TrustError
			switch {
			case tt.trusted && f.Untrusted != nil:
				t.Error(f.Untrusted)
			case !tt.trusted && (!errors.As(f.Untrusted, &e) || e.At != at):
				t.Errorf("%v", f.Untrusted)
			}
		})
	}
}
