// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/sealgate/sealgate/testenv/servers"
)

// An upload of 200 MiB as clients make it: parts of 8 MiB, four at a time.
const (
	uploadSize  = 200 << 20 // bytes
	partSize    = 8 << 20
	partClients = 4
)

// measureMultipart uploads 200 MiB in parts.
func measureMultipart(t testing.TB) []Result {
	t.Helper()
	f := startFront(t, servers.MinIO(t))
	all := f.in(t, 3, func(to target) (float64, error) {
		began := time.Now()
		err := to.upload("/upload", 1, uploadSize, partSize, partClients)
		return uploadSize / (1 << 20) / time.Since(began).Seconds(), err
	}, f.gateway, f.proxy, sealedTarget(t))
	if err := f.gateway.get("/upload", 1, uploadSize); err != nil {
		t.Fatal(err)
	}
	return []Result{
		against("put-200mib-multipart", "MiB/s", all[0], nginx, all[1]).costing(f.cpu),
		against("put-200mib-multipart", "MiB/s", all[0], sealing, all[2]),
	}
}

// upload stores size bytes that follow from seed in parts, some at a time.
func (s target) upload(path string, seed int, size, part int64, clients int) error {
	var begun struct{ UploadId string }
	if err := s.call(http.MethodPost, path+"?uploads", nil, &begun); err != nil {
		return err
	}
	parts := make([]uploaded, (size+part-1)/part)
	_, err := load{clients, len(parts), func(i int) error {
		off := int64(i) * part
		n := min(part, size-off)
		body := newPayload(seed, off+n)
		body.skip(off)
		tag, err := s.putPart(fmt.Sprintf("%s?partNumber=%d&uploadId=%s", path, i+1, begun.UploadId), body, n)
		parts[i] = uploaded{PartNumber: i + 1, ETag: tag}
		return err
	}}.run()
	if err != nil {
		return err
	}
	list := struct {
		XMLName xml.Name `xml:"CompleteMultipartUpload"`
		Part    []uploaded
	}{Part: parts}
	text, err := xml.Marshal(list)
	if err != nil {
		return err
	}
	var made struct{ ETag string }
	if err = s.call(http.MethodPost, path+"?uploadId="+begun.UploadId, text, &made); err == nil && made.ETag == "" {
		err = fmt.Errorf("completing %s: no ETag", path)
	}
	return err
}

type uploaded struct {
	PartNumber int
	ETag       string
}

func (s target) putPart(path string, body io.Reader, size int64) (etag string, err error) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPut, s.endpoint+path, body)
	if err != nil {
		return "", err
	}
	req.ContentLength = size
	resp, err := s.client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1024))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("PUT %s: %s: %s", path, resp.Status, text)
	}
	return resp.Header.Get("ETag"), err
}

// call makes a request and decodes the XML of its answer.
func (s target) call(method, path string, body []byte, answer any) error {
	var text bytes.Buffer
	if err := s.do(method, path, bytes.NewReader(body), int64(len(body)), &text); err != nil {
		return err
	}
	return xml.Unmarshal(text.Bytes(), answer)
}
