// Package pull downloads models into a folder in which package models finds them.
//
//	r, err := pull.Pull(ctx, "org/repo:Q4_K_M", pull.Options{})
//	// r.Path is the model's file, or the first of its shards
//
// A source is a name of Hugging Face ([models.ParseRepo]), or an https URL. A download that was cut off,
// by the network, a full disk or the end of the process, goes on where it was. A file gets its name
// when it is complete and its SHA-256, where it is known, is right. Beside the file of a URL is a record of
// the URL (.origin.json): another URL that ends with the same name does not replace it. Several processes may pull the same:
// one downloads, the others wait.
//
// The package is pure Go. It does not print, and reads no other environment variables than
// INFER_MODELS, HF_ENDPOINT, HF_TOKEN and those of proxies.
package pull
