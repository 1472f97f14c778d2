// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/certs/pemfile"
)

// listen gives a port of this machine and prints its address, for who started
// this process.
func listen() (net.Listener, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // nothing to wait for
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return nil, err
	}
	_, err = fmt.Fprintln(os.Stdout, "https://localhost:"+port)
	return l, err
}

// atEnd calls f when the standard input of this process ends: whoever started it
// wants no more.
func atEnd(f func()) {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // the end is all it says
		f()
	}()
}

// identity reads the certificate of a server that clients of the gateway take
// for the gateway, and their authority's.
func identity(ctx context.Context, pem string) (certs.Source, error) {
	in := func(name string) string { return filepath.Join(pem, name) }
	m, err := pemfile.Load(ctx, pemfile.Config{CertFile: in("svid.pem"), KeyFile: in("key.pem"), BundleFile: in("bundle.pem")})
	if err != nil {
		return nil, err
	}
	return certs.Static(m)
}
