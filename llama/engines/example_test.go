package engines_test

import (
	"context"
	"fmt"
	"log"

	"github.com/seed7adf6694/infer/llama/engines"
)

// The first engine that may be used without being named.
func ExampleFind() {
	for _, place := range engines.Find() {
		for _, folder := range place.Folders {
			if err := folder.Usable(); err != nil {
				log.Print(err)
				continue
			}
			hash, err := folder.Hash()
			if err != nil {
				log.Fatal(err)
			}
			if v, ok := engines.StoredVerdict(hash, "myprogram v1"); ok && v.OK {
				fmt.Println(folder.Path, v.Version)
				return
			}
		}
	}
}

// A package of npm, with the integrity that npm shows.
func ExampleAdd() {
	folder, err := engines.Add(context.Background(), "node-llama-cpp-linux-x64-3.22.1.tgz", engines.Options{
		Name:      "v0.5.0",
		Integrity: "sha512-5uCCDNqWCNfaAm8aR/Uzxbo4HBpKgNF91kCHPepKhgMgV2OAmatoefbOlMihsqCiH2Od35E/eUHQCFbfRBJuOg==",
		Progress:  func(step string, done, total uint64) { fmt.Println(step, done, "of", total) },
	})
	if err != nil {
		log.Fatal(err)
	}
	base, ggml, llama := folder.Engines[0].Paths(folder.Path)
	fmt.Println("load", base, ggml, llama)
}
