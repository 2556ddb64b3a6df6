// Package kernel32 finds functions of Windows that golang.org/x/sys/windows does not declare.
package kernel32
