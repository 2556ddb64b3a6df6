//go:build cgo

package engine_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/seed7adf6694/infer/runtime/engine"
)

// A service that uses the engine which its user has chosen. It tries an engine by running itself.
func Example() {
	ctx := context.Background()
	if len(os.Args) > 1 && os.Args[1] == "engine-trial" {
		if err := engine.Trial(ctx, os.Stdin, os.Stdout); err != nil {
			log.Fatal(err)
		}
		return
	}
	exe, err := os.Executable()
	if err != nil {
		log.Fatal(err)
	}
	info, err := engine.Use(ctx, engine.Options{Engine: engine.Auto, Command: []string{exe, "engine-trial"}})
	if refused := (*engine.Error)(nil); errors.As(err, &refused) {
		log.Fatalf("%s: %s", refused.Folder, refused.Reason)
	}
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(info)
}
