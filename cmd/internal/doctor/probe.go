// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// readError gives the message of an S3 error. It reads the body.
func readError(resp *http.Response) string {
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	var e struct{ Code, Message string }
	if err != nil || xml.Unmarshal(body, &e) != nil || e.Message == "" {
		return "no S3 error came with it"
	}
	return describe(e.Code, e.Message)
}

// probe asks for one object as this identity, of the gateway itself: whether
// it may be read is the gateway's word, whatever the client.
func (l *look) probe(ctx context.Context) {
	if l.Probe == "" || l.material == nil {
		return
	}
	c, err := l.gatewayClient()
	if err != nil {
		return // told before
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, l.Gateway, nil)
	if err != nil {
		return // told before
	}
	req.URL = &url.URL{Scheme: req.URL.Scheme, Host: req.URL.Host, Path: "/" + l.Probe}
	resp, err := c.Do(req)
	if err != nil {
		what, _ := gatewayFault(err)
		l.report.Probe = l.Probe + ": not asked: " + what
		return
	}
	defer resp.Body.Close() //nolint:errcheck // read side
	id := resp.Header.Get("X-Amz-Request-Id")
	switch resp.StatusCode {
	case http.StatusOK:
		l.report.Probe = l.Probe + ": readable, " + strconv.FormatInt(resp.ContentLength, 10) + " bytes, ETag " + resp.Header.Get("Etag")
	case http.StatusNotFound:
		l.report.Probe = l.Probe + ": not there; this identity may list where it would be"
	case http.StatusForbidden:
		reason := resp.Header.Get("X-Sealgate-Reason")
		l.report.Probe = l.Probe + ": denied: " + reason
		l.wrong(l.Probe, "denied for "+l.material.ID.String()+": "+reason, "ask: sealgate policy explain --request-id "+id)
	default:
		l.report.Probe = l.Probe + ": " + resp.Status
		l.wrong(l.Probe, "the gateway answers "+resp.Status, "look for request "+id+" in its log")
	}
}

// CheckProbe tells what is wrong with the path of a probe.
func CheckProbe(path string) bool {
	bucket, key, ok := strings.Cut(path, "/")
	return path == "" || ok && bucket != "" && key != "" && !strings.Contains(path, "://")
}
