// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/s3utils"
	"github.com/minio/minio-go/v7/pkg/signer"
)

// call is a request that is made here and only signed by the client library:
// where that takes no context, or less than S3 does.
type call struct {
	method string
	key    string // "" for the bucket
	query  url.Values
	header map[string]string
	body   []byte

	// stream, if it is not nil, is a body of size bytes in place of body.
	stream io.Reader
	size   int64
	framed bool // stream is the frames of a body of that size
	again  bool // a small stream is sent from memory, and again if the backend says that it is busy
	part   bool // to send it twice is to send it once
	summed bool // also a part has a checksum
}

// ask makes the call once and decodes its answer into one, if that is not nil.
func (s *Store) ask(ctx context.Context, c call, answer any) error {
	_, err := s.exchange(ctx, c, answer)
	return err
}

// exchange is ask, and returns the headers of the answer. Without answer it is an
// operation that S3 answers with no body.
func (s *Store) exchange(ctx context.Context, c call, answer any) (http.Header, error) {
	resp, err := s.begin(ctx, c)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }() // only read from
	if answer == nil {
		return resp.Header, c.wordless(resp, s.c.Timeout)
	}
	if err := xml.NewDecoder(resp.Body).Decode(answer); err != nil {
		return nil, fmt.Errorf("decoding an answer: %w", err)
	}
	return resp.Header, nil
}

// maxWords is how much is read of a body that should not be there, in bytes.
const maxWords = 4 << 10

// wordless is the end of an answer of success that has no body with S3. One that
// has a body all the same is none: S3 itself, and what speaks like it, finds out
// late at times and sends an error behind a 200. Nothing in it is believed, "no
// such key" neither, which callers of a deletion take for its success: what was
// done is open. So it is when the body breaks off, but for an object or a part: the
// tag of what was written is there already.
func (c call) wordless(resp *http.Response, timeout time.Duration) error {
	if resp.ContentLength != 0 {
		slow := time.AfterFunc(timeout, func() { _ = resp.Body.Close() }) // ends the reading
		defer slow.Stop()
		words, err := io.ReadAll(io.LimitReader(resp.Body, maxWords)) // to its end, so that the connection can be used again
		if len(words) > 0 {
			var e minio.ErrorResponse
			_ = xml.Unmarshal(words, &e) // whatever it is, it is no success
			return wrongAnswer(fmt.Sprintf("success (status %d) and an error in it (%.60q)", resp.StatusCode, e.Code))
		}
		if written := c.writes() && etagOf(resp.Header) != ""; err != nil && !written {
			return fmt.Errorf("reading an answer: %w", err)
		}
	}
	// Some servers answer 200 when tags are removed.
	if c.method == http.MethodDelete && resp.StatusCode != http.StatusNoContent && !c.query.Has("tagging") {
		return wrongAnswer(fmt.Sprintf("status %d to a deletion", resp.StatusCode))
	}
	return nil
}

// writes reports whether the call is one that makes an object or a part.
func (c call) writes() bool {
	return c.method == http.MethodPut && c.key != "" && (c.part || len(c.query) == 0)
}

// begin makes the call and gives its answer, if that is one of success, with the
// body to be read and closed.
func (s *Store) begin(ctx context.Context, c call) (*http.Response, error) {
	req, err := s.request(ctx, c)
	if err != nil {
		return nil, err
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return nil, err
	}
	partial := resp.StatusCode == http.StatusPartialContent && c.header["Range"] != ""
	if resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusNoContent || partial {
		return resp, nil
	}
	defer func() { _ = resp.Body.Close() }() // only read from
	return nil, readError(resp, c.key)
}

func (s *Store) request(ctx context.Context, c call) (*http.Request, error) {
	u := *s.endpoint
	u.Path = "/" + s.c.Bucket + "/" + c.key
	u.RawPath = s3utils.EncodePath(u.Path)
	u.RawQuery = strings.ReplaceAll(c.query.Encode(), "+", "%20") // as the signature spells it
	body := c.stream
	if len(c.body) > 0 {
		body = bytes.NewReader(c.body)
	}
	req, err := http.NewRequestWithContext(ctx, c.method, u.String(), body)
	if err != nil {
		return nil, err
	}
	v, err := s.creds.GetWithContext(&credentials.CredContext{Client: s.http})
	if err != nil {
		return nil, err
	}
	for name, value := range c.header {
		req.Header.Set(name, value)
	}
	c.describeBody(req)
	return signer.SignV4(*req, v.AccessKeyID, v.SecretAccessKey, v.SessionToken, s.c.Region), nil
}

// describeBody says how long the body is and what holds it together, in headers
// that are signed.
func (c call) describeBody(r *http.Request) {
	const hash = "X-Amz-Content-Sha256"
	switch {
	case c.framed:
		setFramed(r, c.size, c.checksum())
		r.Header.Set(hash, "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
		return
	case c.stream != nil:
		r.ContentLength = c.size
		r.Header.Set(hash, "UNSIGNED-PAYLOAD")
		return
	}
	sum := sha256.Sum256(c.body)
	r.Header.Set(hash, hex.EncodeToString(sum[:]))
	// Some calls demand a checksum beside the signature. With a part, S3 refuses
	// most that its upload does not name, so that it has one only where there must be.
	switch {
	case len(c.body) == 0:
	case !c.part:
		r.Header.Set("X-Amz-Checksum-Sha256", base64.StdEncoding.EncodeToString(sum[:]))
	case c.summed:
		h := crc64.make()
		_, _ = h.Write(c.body) // never fails
		r.Header.Set(crc64.name, base64.StdEncoding.EncodeToString(h.Sum(nil)))
	}
}

// readError decodes the answer to a request that was refused.
func readError(resp *http.Response, key string) error {
	var e minio.ErrorResponse
	if err := xml.NewDecoder(resp.Body).Decode(&e); err != nil && !errors.Is(err, io.EOF) {
		e = minio.ErrorResponse{} // not S3 that answers: the status has to do
	}
	e.StatusCode = resp.StatusCode
	if e.Code == "" && e.StatusCode == http.StatusNotFound && key == "" && resp.Request.Method != http.MethodDelete {
		e.Code = "NoSuchBucket" // there is no key that could be absent
	}
	return e
}
