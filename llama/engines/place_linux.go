package engines

import "runtime"

// multiarch are Debian's names for processors, in folders of libraries.
var multiarch = map[string]string{
	"386": "i386-linux-gnu", "amd64": "x86_64-linux-gnu", "arm": "arm-linux-gnueabihf", "arm64": "aarch64-linux-gnu",
	"loong64": "loongarch64-linux-gnu", "ppc64le": "powerpc64le-linux-gnu", "riscv64": "riscv64-linux-gnu", "s390x": "s390x-linux-gnu",
}

// libraryFolders are the usual folders of libraries.
func libraryFolders(s surroundings) []string {
	list := []string{"/usr/local/lib", "/usr/local/lib64"}
	if name := multiarch[runtime.GOARCH]; name != "" {
		list = append(list, "/usr/local/lib/"+name, "/usr/lib/"+name)
	}
	return append(list, "/usr/lib64", "/usr/lib", "/home/linuxbrew/.linuxbrew/lib", s.installer())
}
