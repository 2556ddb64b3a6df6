// Command hello says what it was started with, for a test.
package main

import (
	"fmt"
	"os"

	"github.com/seed7adf6694/infer/llama/start"
)

func main() {
	start.Prepare()
	fmt.Printf("%q\n", os.Args[1:])
	os.Exit(7)
}
