// Package engines finds, adds and removes engines: builds of llama.cpp as shared libraries. It is
// about files only. It loads no library, needs no cgo, and knows no ABI: whether a library fits is
// for the caller to find out, in a child process, and to keep as a [Verdict].
//
// An engine is a [Folder] with the libraries llama, ggml and ggml-base, under the names that their
// builds give them: libllama.so, libllama.so.0, libllama.v0.5.0.so, libllama.vulkan.v0.5.0.so,
// llama.dll, libllama.dylib. [Find] looks where builds of llama.cpp usually are, [Open] in a folder
// that is named. [Add] unpacks a release or a package of npm into the user's folder, [Remove] removes it.
//
// # Trust
//
// A library is code of this process. [Find] looks neither in the working directory nor beside
// models. A folder in which other users could replace a library is listed with the reason,
// [Folder.Untrusted], and is to be used only if a user names it. Trusted are root and the user of
// this process on Unix; the user, SYSTEM, Administrators and TrustedInstaller on Windows. Each
// library, its folder and all folders above are looked at, also those that symbolic links lead
// through on Unix. A group that may write is trusted if it has no other members.
//
// # Verdicts
//
// [Folder.Hash] names the contents of an engine. It reads the files each time: sizes and times prove
// nothing, since packages of npm have the same time for all files. On one core with instructions for
// SHA-256 that takes 30 ms for a build for CPUs (30 MB), 70 ms with Vulkan (73 MB) and 300 ms for
// 375 MB, and less on two. [StoreVerdict] and [StoredVerdict] keep what a
// check has shown under that name.
//
// All functions are safe for concurrent use, by several processes too.
package engines
