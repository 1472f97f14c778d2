// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"github.com/sealgate/sealgate/certs"
)

// floor is the least that a gateway of our kind, written in Go, must do: mutual
// TLS with a client, one durable record before the store hears of a request, one
// pass of AES-256-GCM over every byte, and HTTP on both sides. It decides
// nothing, checks nothing that its client says, signs nothing, keeps no header.
//
// What the floor lacks to the proxy stands in the way of every gateway of this
// kind; what the gateway lacks to the floor is the gateway's own. The floor works
// on one batch of a body at a time and the gateway works ahead, so that its rate
// may be the better one: the CPU time is where no such difference shows.
//
// IT PROTECTS NOTHING. Each object is sealed with the same key and the same
// nonces, so that who sees two of them reads both, and segments may be moved
// between them unnoticed. It is a measuring rod: no line of it may be taken over
// into the product (envelope does what it does not), and TestFloors keeps the
// product from importing this package.
type floor struct {
	backend string
	store   http.RoundTripper
	aead    cipher.AEAD
	journal *journal
}

// serveFloor runs a floor in this process, before the server at backend. Its
// journal lies in dir.
func serveFloor(backend, dir, pem string) error {
	asTheGateway()
	ballast := make([]byte, 16<<20) // see asTheGateway
	defer runtime.KeepAlive(ballast)
	own, err := identity(context.Background(), pem)
	if err != nil {
		return err
	}
	f, err := newFloor(backend, dir)
	if err != nil {
		return err
	}
	l, err := listen()
	if err != nil {
		return err
	}
	srv := &http.Server{
		Handler: f, ReadHeaderTimeout: time.Minute,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, floorConnKey{}, c)
		},
	}
	atEnd(func() { _ = srv.Close() }) // the process ends
	tls := certs.ServerTLS(certs.ServerConfig{Source: own, Denials: certs.NewDenials()})
	if err := srv.Serve(floorListener{l, tls}); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// asTheGateway gives this process the scheduler of the gateway's; with its
// ballast it has the collector's account, too (cmd/sealgate: procs.go,
// ballast.go).
func asTheGateway() {
	if os.Getenv("GOMAXPROCS") == "" && runtime.GOMAXPROCS(0) == runtime.NumCPU() {
		runtime.GOMAXPROCS(2 * runtime.NumCPU())
	}
}

func newFloor(backend, dir string) (*floor, error) {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	j, err := newJournal(filepath.Join(dir, "journal"))
	if err != nil {
		return nil, err
	}
	return &floor{backend: backend, store: newFloorTransport(), aead: aead, journal: j}, nil
}

// ServeHTTP answers GET, with a range "bytes=A-B" or none, and PUT.
func (f *floor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	err := f.journal.add()
	switch {
	case err != nil:
	case r.Method == http.MethodPut:
		err = f.put(w, r)
	default:
		err = f.get(w, r)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "floor:", err)
		panic(http.ErrAbortHandler) // what the client has by now must not end well
	}
}

func (f *floor) put(w http.ResponseWriter, r *http.Request) error {
	var body io.Reader = http.NoBody
	if r.ContentLength > 0 {
		body = &floorSealer{aead: f.aead, from: r.Body, left: r.ContentLength}
	}
	req, err := http.NewRequestWithContext(r.Context(), http.MethodPut, f.backend+r.URL.Path, body)
	if err != nil {
		return err
	}
	req.ContentLength = floorSealed(r.ContentLength)
	resp, err := f.store.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // read side
	w.WriteHeader(resp.StatusCode)
	_, err = io.Copy(w, resp.Body)
	return err
}

func (f *floor) get(w http.ResponseWriter, r *http.Request) error {
	req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, f.backend+r.URL.Path, nil)
	if err != nil {
		return err
	}
	var off, end int64 // of the plaintext
	text := r.Header.Get("Range")
	if text != "" {
		if _, err := fmt.Sscanf(text, "bytes=%d-%d", &off, &end); err != nil {
			return err
		}
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", off/floorSegment*floorSealedSegment, (end/floorSegment+1)*floorSealedSegment-1))
	}
	resp, err := f.store.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // read side
	if resp.StatusCode >= 300 {
		w.WriteHeader(resp.StatusCode)
		return nil
	}
	o := &floorOpener{aead: f.aead, from: resp.Body, left: resp.ContentLength, segment: off / floorSegment, skip: off % floorSegment}
	o.want = floorPlain(resp.ContentLength) - o.skip
	if text != "" {
		o.want = min(o.want, end-off+1)
	}
	return o.answer(w, r, resp.StatusCode)
}

// answer sends what is wanted; a short answer goes out as one record.
func (o *floorOpener) answer(w http.ResponseWriter, r *http.Request, status int) error {
	w.Header().Set("Content-Length", strconv.FormatInt(o.want, 10))
	if o.want > floorSmall {
		w.WriteHeader(status)
		return o.sendTo(w)
	}
	c := r.Context().Value(floorConnKey{}).(*floorConn)
	c.gather()
	w.WriteHeader(status)
	err := o.sendTo(w)
	_ = http.NewResponseController(w).Flush() // into what is gathered
	return errors.Join(err, c.release())
}
