// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"sync"
)

// target is one side of a comparison: a server that objects are put to and
// got from over mutual TLS.
type target struct {
	endpoint string
	client   *http.Client
}

// mostClients is how many clients a cell has at most.
const mostClients = 64

func newTarget(endpoint string, c *tls.Config) target {
	return target{endpoint: endpoint, client: &http.Client{Transport: &http.Transport{
		TLSClientConfig: c, DisableCompression: true, MaxIdleConnsPerHost: mostClients,
		ReadBufferSize: 256 << 10, WriteBufferSize: 256 << 10,
	}}}
}

// put stores size bytes that follow from seed.
func (s target) put(path string, seed int, size int64) error {
	return s.do(http.MethodPut, path, newPayload(seed, size), size, io.Discard)
}

// get reads them again and holds every byte against what was put.
func (s target) get(path string, seed int, size int64) error {
	want := newPayload(seed, size)
	if err := s.do(http.MethodGet, path, http.NoBody, 0, want); err != nil {
		return err
	}
	if want.left != 0 {
		return fmt.Errorf("getting %s: %d bytes are missing", path, want.left)
	}
	return nil
}

// getRange reads size bytes from off on and holds them against what was put.
func (s target) getRange(path string, seed int, off, size int64) error {
	want := newPayload(seed, off+size)
	want.skip(off)
	header := http.Header{"Range": {fmt.Sprintf("bytes=%d-%d", off, off+size-1)}}
	if err := s.send(http.MethodGet, path, header, http.NoBody, 0, want); err != nil {
		return err
	}
	if want.left != 0 {
		return fmt.Errorf("getting a range of %s: %d bytes are missing", path, want.left)
	}
	return nil
}

// buffers are what answers are read through.
var buffers = sync.Pool{New: func() any { return new([1 << 20]byte) }}

func (s target) do(method, path string, body io.Reader, size int64, to io.Writer) error {
	return s.send(method, path, nil, body, size, to)
}

func (s target) send(method, path string, header http.Header, body io.Reader, size int64, to io.Writer) error {
	req, err := http.NewRequestWithContext(context.Background(), method, s.endpoint+path, body)
	if err != nil {
		return err
	}
	req.ContentLength = size
	for k, v := range header {
		req.Header[k] = v
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // read side
	if resp.StatusCode != http.StatusOK && (header == nil || resp.StatusCode != http.StatusPartialContent) {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1024)) // what came is enough
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, text)
	}
	buf := buffers.Get().(*[1 << 20]byte)
	defer buffers.Put(buf)
	_, err = io.CopyBuffer(struct{ io.Writer }{to}, struct{ io.Reader }{resp.Body}, buf[:])
	return err
}
