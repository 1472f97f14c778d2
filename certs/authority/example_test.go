// SPDX-License-Identifier: Apache-2.0

package authority_test

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spiffe/go-spiffe/v2/workloadapi"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/certs/authority"
)

// sealer seals with AES-256-GCM under one key; the purpose is authenticated.
type sealer struct{ cipher.AEAD }

func (s sealer) Seal(_ context.Context, purpose string, plain []byte) ([]byte, error) {
	return s.AEAD.Seal(nil, nil, plain, []byte(purpose)), nil
}

func (s sealer) Open(_ context.Context, purpose string, sealed []byte) ([]byte, error) {
	return s.AEAD.Open(nil, nil, sealed, []byte(purpose))
}

func newSealer() (sealer, error) {
	block, err := aes.NewCipher(make([]byte, 32)) // of course a real one has a real key
	if err != nil {
		return sealer{}, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return sealer{aead}, err
}

// An authority that gives this user one identity, and an unmodified SPIFFE client
// that fetches it.
func Example() {
	if err := example(); err != nil {
		fmt.Println(err)
	}
	// Output:
	// gateway spiffe://example.local/gateway
	// this process is spiffe://example.local/user/me
}

func example() error {
	dir, err := os.MkdirTemp("", "sga")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	seal, err := newSealer()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	a, err := authority.Open(ctx, authority.Config{
		Dir:         filepath.Join(dir, "authority"),
		Socket:      filepath.Join(dir, "workload.sock"),
		TrustDomain: certs.MustParseTrustDomain("example.local"),
		Sealer:      seal,
	})
	if err != nil {
		cancel()
		return err
	}
	ln, err := a.Listen()
	if err != nil {
		cancel()
		return err
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		if err := a.Serve(ctx, ln); err != nil {
			fmt.Println(err)
		}
	}()
	defer func() { cancel(); <-served }()

	me := certs.MustParseID("spiffe://example.local/user/me")
	if _, err := a.AddEntry(authority.Entry{SPIFFE: me, UID: new(uint32(os.Getuid()))}); err != nil {
		return err
	}
	gateway, err := a.Source().Current()
	if err != nil {
		return err
	}
	fmt.Println("gateway", gateway.ID)
	svid, err := workloadapi.FetchX509SVID(ctx, workloadapi.WithAddr("unix://"+filepath.Join(dir, "workload.sock")))
	if err != nil {
		return err
	}
	fmt.Println("this process is", svid.ID)
	return nil
}
