// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// fileServer is the baseline of transfers: files of one directory over mutual
// TLS 1.3, each written to a temporary file, synced, renamed, and its
// directory synced. No policy, no audit, no encryption.
type fileServer struct{ dir string }

// serveFiles runs a fileServer in this process, for who started it with
// childEnv. It prints its address and ends when its standard input does.
func serveFiles(dir, pem string) error {
	cert, err := tls.LoadX509KeyPair(filepath.Join(pem, "svid.pem"), filepath.Join(pem, "key.pem"))
	if err != nil {
		return err
	}
	roots, err := os.ReadFile(filepath.Join(pem, "bundle.pem"))
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(roots)
	l, err := listen()
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: fileServer{dir}, ReadHeaderTimeout: 5 * time.Second, TLSConfig: &tls.Config{
		Certificates: []tls.Certificate{cert}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS13,
	}}
	atEnd(func() { _ = srv.Close() }) // the process ends
	if err := srv.ServeTLS(l, "", ""); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// ServeHTTP answers GET and PUT.
func (s fileServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := filepath.Join(s.dir, filepath.FromSlash(r.URL.Path))
	serve := s.get
	if r.Method == http.MethodPut {
		serve = s.put
	}
	if err := serve(path, w, r); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

func (fileServer) get(path string, w http.ResponseWriter, _ *http.Request) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // read side
	info, err := f.Stat()
	if err != nil {
		return err
	}
	w.Header().Set("Content-Length", strconv.FormatInt(info.Size(), 10))
	return copyAll(w, f)
}

func (s fileServer) put(path string, _ http.ResponseWriter, r *http.Request) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	tmp := filepath.Join(s.dir, rand.Text())
	f, err := os.Create(tmp)
	if err != nil {
		return err
	}
	if err = copyAll(f, r.Body); err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close() //nolint:errcheck // read side
	return dir.Sync()
}

// copyAll copies in pieces as large as the gateway's.
func copyAll(w io.Writer, r io.Reader) error {
	buf := buffers.Get().(*[1 << 20]byte)
	defer buffers.Put(buf)
	_, err := io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{r}, buf[:256<<10])
	return err
}
