// Command hello says what it was started with, for a test.
//
//	hello copy ...     copies standard input to standard output, and says so on standard error
//	hello serve        says on which address it gives back what it is sent, for ever
package main

import (
	"fmt"
	"io"
	"net"
	"os"

	"github.com/seed7adf6694/infer/llama/start"
)

func main() {
	start.Prepare()
	fmt.Printf("%q\n", os.Args[1:])
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "copy":
			n, err := io.Copy(os.Stdout, os.Stdin)
			fmt.Fprintln(os.Stderr, n, err)
		case "serve":
			serve()
		}
	}
	os.Exit(7)
}

func serve() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(l.Addr())
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = io.Copy(c, c)
	}
}
