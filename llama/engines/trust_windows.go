package engines

import (
	"fmt"
	"os"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/windows"
)

// Rights to change a file, or the entries of a folder.
const (
	fileDeleteChild = 0x40
	rightsToReplace = windows.DELETE | windows.WRITE_DAC | windows.WRITE_OWNER | windows.GENERIC_ALL | fileDeleteChild
	rightsToWrite   = rightsToReplace | windows.GENERIC_WRITE | windows.FILE_WRITE_DATA | windows.FILE_APPEND_DATA
)

// trustedInstaller owns the files of Windows.
const trustedInstaller = "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"

// distrustPath looks at the owner and the access list of a file or folder, and of all folders above it:
// into those others may put new files. Entries that deny access are ignored.
func distrustPath(path string) error {
	abs, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	if abs, err = filepath.EvalSymlinks(abs); err != nil {
		return err
	}
	user, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return os.NewSyscallError("GetTokenInformation", err)
	}
	rights := windows.ACCESS_MASK(rightsToWrite)
	for at := abs; ; rights = rightsToReplace {
		reason, err := distrustAccess(at, rights, user.User.Sid)
		if err != nil {
			return err
		}
		if reason != "" {
			return &TrustError{Path: path, At: at, Reason: reason}
		}
		above := filepath.Dir(at)
		if above == at {
			return nil
		}
		at = above
	}
}

// distrustAccess returns who but the user and the system has one of the rights to a file.
func distrustAccess(path string, rights windows.ACCESS_MASK, user *windows.SID) (reason string, err error) {
	sd, err := windows.GetNamedSecurityInfo(path, windows.SE_FILE_OBJECT, windows.OWNER_SECURITY_INFORMATION|windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		return "", &os.PathError{Op: "GetNamedSecurityInfo", Path: path, Err: err}
	}
	owner, _, err := sd.Owner()
	if err != nil || owner == nil {
		return "its owner is unknown", nil
	}
	if !trustedAccount(owner, user) {
		return "it belongs to " + account(owner), nil
	}
	list, _, err := sd.DACL()
	if err != nil || list == nil {
		return "it has no access list: every user may write", nil
	}
	for i := range uint32(list.AceCount) {
		var entry *windows.ACCESS_ALLOWED_ACE
		if err := windows.GetAce(list, i, &entry); err != nil {
			return "", os.NewSyscallError("GetAce", err)
		}
		if entry.Header.AceFlags&windows.INHERIT_ONLY_ACE != 0 || entry.Mask&rights == 0 {
			continue
		}
		switch entry.Header.AceType {
		case windows.ACCESS_ALLOWED_ACE_TYPE:
			if sid := (*windows.SID)(unsafe.Pointer(&entry.SidStart)); !trustedAccount(sid, user) {
				return account(sid) + " may write", nil
			}
		case windows.ACCESS_DENIED_ACE_TYPE:
		default:
			return fmt.Sprintf("its access list has an entry of type %d", entry.Header.AceType), nil
		}
	}
	return "", nil
}

// trustedAccount reports whether an account is the user's, or may replace every file anyway.
func trustedAccount(sid, user *windows.SID) bool {
	if sid.Equals(user) {
		return true
	}
	for _, known := range []windows.WELL_KNOWN_SID_TYPE{windows.WinLocalSystemSid, windows.WinBuiltinAdministratorsSid, windows.WinCreatorOwnerSid} {
		if sid.IsWellKnown(known) {
			return true
		}
	}
	text := sid.String()
	return text == trustedInstaller || text == "S-1-3-4" // the owner
}

// account names an account.
func account(sid *windows.SID) string {
	if name, domain, _, err := sid.LookupAccount(""); err == nil {
		if domain != "" {
			return domain + `\` + name
		}
		return name
	}
	return sid.String()
}
