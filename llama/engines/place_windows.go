package engines

import "path/filepath"

// libraryFolders are those of winget's package, and of what is installed for all users.
func libraryFolders(s surroundings) (list []string) {
	for _, base := range []string{filepath.Join(s.getenv("LocalAppData"), "Microsoft", "WinGet", "Packages"), filepath.Join(s.getenv("ProgramFiles"), "WinGet", "Packages")} {
		if filepath.IsAbs(base) {
			list = append(list, matches(base, "ggml.llamacpp_*")...)
		}
	}
	return append(list, filepath.Join(s.getenv("ProgramFiles"), "llama.cpp"), filepath.Join(s.getenv("ProgramFiles"), "llama.cpp", "bin"), s.installer())
}
