// SPDX-License-Identifier: Apache-2.0

package local_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/sealgate/sealgate/envelope"
	"github.com/sealgate/sealgate/envelope/kek/local"
)

// A first start makes keystore and key file; a rotation adds a version, and
// what an older one wrapped still opens.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "keys")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	kek, made, err := local.Create(ctx, local.Config{
		Path: filepath.Join(dir, "keystore"), Secret: local.Secret{KeyFile: filepath.Join(dir, "keyfile")}, Name: "local",
	})
	if err != nil {
		panic(err)
	}
	fmt.Println("made", filepath.Base(made.KeyFile))

	ec := envelope.Context{Deployment: envelope.NewID(), Bucket: "models", Keyring: envelope.NewID(), Version: 1}
	old, err := kek.Wrap(ctx, []byte("a keyring key"), ec)
	if err != nil {
		panic(err)
	}
	version, err := kek.RotateKEK(ctx)
	if err != nil {
		panic(err)
	}
	moved, changed, err := kek.Rewrap(ctx, old, ec)
	if err != nil {
		panic(err)
	}
	plain, err := kek.Unwrap(ctx, moved, ec)
	fmt.Printf("version %s -> %s (%s), changed %v: %s %v\n", old.Version, moved.Version, version, changed, plain, err)
	// Output:
	// made keyfile
	// version 1 -> 2 (2), changed true: a keyring key <nil>
}
