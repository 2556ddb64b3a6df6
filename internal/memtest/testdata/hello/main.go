// Command hello is built and run by the tests of memtest.
package main

import "fmt"

func main() { fmt.Println("hello") }
