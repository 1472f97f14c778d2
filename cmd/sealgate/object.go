// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealgate/sealgate/certs"
)

func (a *app) objectCmd() *cobra.Command {
	return group("object", "Put, get, list, copy, presign and delete objects through the gateway", []string{"objects"},
		a.objectPutCmd(), a.objectGetCmd(), a.objectListCmd(), a.objectStatCmd(), a.objectCopyCmd(), a.objectPresignCmd(), a.objectRemoveCmd(), a.objectOpenCmd())
}

// objectPath is BUCKET/KEY as a person writes it.
type objectPath struct{ bucket, key string }

func (p objectPath) String() string { return p.bucket + "/" + p.key }

// parsePath reads BUCKET/KEY; the key may be empty for a whole bucket.
func parsePath(s string) (objectPath, error) {
	if rest, ok := strings.CutPrefix(s, "s3://"); ok {
		return objectPath{}, usage("write "+rest, "%q: paths are BUCKET/KEY", s)
	}
	bucket, key, _ := strings.Cut(s, "/")
	if bucket == "" {
		return objectPath{}, usage("write BUCKET/KEY, as in models/fraud/v1.bin", "%q names no bucket", s)
	}
	return objectPath{bucket, key}, nil
}

// parseObject reads BUCKET/KEY with a key.
func parseObject(s string) (objectPath, error) {
	p, err := parsePath(s)
	if err == nil && p.key == "" {
		err = usage("write BUCKET/KEY, as in models/fraud/v1.bin", "%q names no key", s)
	}
	return p, err
}

// escape writes a path so that the gateway decodes these very bytes.
func (p objectPath) escape() string {
	if p.bucket == "" {
		return "" // the service itself
	}
	const hexdigits = "0123456789ABCDEF"
	var b strings.Builder
	s := p.String()
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~/", c) >= 0:
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(hexdigits[c>>4])
			b.WriteByte(hexdigits[c&15])
		}
	}
	return b.String()
}

// objectClient sends requests about objects.
type objectClient struct {
	http     *http.Client
	endpoint string
	who      certs.ID
}

func (a *app) objects(ctx context.Context) (*objectClient, error) {
	source, err := a.identity(ctx)
	if err != nil {
		return nil, err
	}
	client, err := a.s3Client(source)
	if err != nil {
		return nil, err
	}
	m, err := source.Current()
	if err != nil {
		return nil, err
	}
	return &objectClient{http: client, endpoint: strings.TrimSuffix(a.client.endpoint, "/"), who: m.ID}, nil
}

// do sends one request. doing says in a few words what it is for, as errors
// begin: "put models/a".
func (c *objectClient) do(ctx context.Context, doing, method string, p objectPath, query string, body io.Reader, size int64, header http.Header) (*http.Response, error) {
	u := c.endpoint + "/" + p.escape()
	if query != "" {
		u += "?" + query
	}
	req, err := http.NewRequestWithContext(ctx, method, u, body)
	if err != nil {
		return nil, usage("", "%s: %w", doing, err)
	}
	if header != nil {
		req.Header = header
	}
	req.ContentLength = size
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, notReached(doing, c.endpoint, err)
	}
	if resp.StatusCode >= 300 {
		defer resp.Body.Close() //nolint:errcheck // read side
		fault := c.failed(doing, method, resp)
		fault.Where = p.String()
		return nil, fault
	}
	return resp, nil
}

// failed turns an S3 error into one line and an exit code.
func (c *objectClient) failed(doing, method string, resp *http.Response) *exitError {
	var e struct{ Code, Message string }
	_ = xml.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&e) // a HEAD has no body: the status says it
	id, reason := resp.Header.Get("X-Amz-Request-Id"), resp.Header.Get("X-Sealgate-Reason")
	fault := &exitError{Code: exitFailed, RequestID: id}
	switch {
	case resp.StatusCode == http.StatusForbidden:
		fault.Code = exitDenied
		fault.Err = fmt.Errorf("%s: denied: %s", doing, c.why(reason, method))
		fault.Hint = "ask: sealgate policy explain --request-id " + id
	case resp.StatusCode == http.StatusPreconditionFailed && method == http.MethodGet:
		fault.Err, fault.Hint = fmt.Errorf("%s: the object has changed since", doing), "get it again without --resume"
	case resp.StatusCode == http.StatusPreconditionFailed:
		fault.Err = fmt.Errorf("%s: what is there is not what --if-absent or --if-match asked for", doing)
		fault.Hint = "look with `sealgate object stat`"
	case resp.StatusCode == http.StatusNotFound:
		fault.Err = fmt.Errorf("%s: not found", doing)
	case resp.StatusCode == http.StatusServiceUnavailable:
		fault.Code, fault.Err, fault.Hint = exitUnavailable, fmt.Errorf("%s: %s", doing, e.Message), "try again"
	case strings.Contains(e.Message, "integrity check"):
		fault.Code, fault.Err = exitIntegrity, fmt.Errorf("%s: %s", doing, e.Message)
	case e.Message != "":
		fault.Err = fmt.Errorf("%s: %s: %s", doing, e.Code, e.Message)
	default:
		fault.Err = fmt.Errorf("%s: the gateway answered %s", doing, resp.Status)
	}
	return fault
}

// why says what a reason word of a denial means.
func (c *objectClient) why(reason, method string) string {
	verb := map[string]string{http.MethodPut: "write", http.MethodDelete: "delete"}[method]
	if verb == "" {
		verb = "read or list"
	}
	who := c.who.String()
	switch reason {
	case "no_grant":
		return "no role of " + who + " grants " + verb + " here"
	case "role_cannot":
		return "a role of " + who + " rules " + verb + " out here"
	case "guardrail":
		return "a guardrail rules " + verb + " out here"
	case "sealed":
		return "this prefix only takes approved promotions"
	case "outside_hours":
		return "the role of " + who + " does not hold at this hour"
	case "svid_expired":
		return "the certificate of " + who + " has expired"
	case "identity_denied":
		return who + " is locked out"
	case "reserved_name":
		return "keys under .sealgate/ are the gateway's own"
	case "unmanaged_object":
		return "this object was not written through the gateway"
	case "":
		return "the gateway gave no reason"
	}
	return reason
}
