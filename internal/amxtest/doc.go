// Package amxtest runs tests with an engine that uses AMX, also on CPUs without it.
//
// Real AMX is used where the CPU and the system have it. Elsewhere a library that is loaded before all
// others (testdata/amx.c) carries out the few tile instructions that the engine uses.
package amxtest
