// SPDX-License-Identifier: Apache-2.0

package stories

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/minio/minio-go/v7"

	"github.com/sealgate/sealgate/testenv/gate"
	"github.com/sealgate/sealgate/testenv/servers"
)

// crowd is one upload that many clients send parts of, through both replicas.
type crowd struct {
	*pair
	path, id string
	parts    [][]byte

	mu    sync.Mutex // guards lines
	lines []string   // by number, from 0; "" while nobody has it
}

// TestReplicasShareUploads: the parts of one upload come through two gateways at
// once, the short last one first and some numbers through both with other bytes;
// one gateway is killed in the middle of it, and the other one finishes.
func TestReplicasShareUploads(t *testing.T) {
	t.Parallel()
	for name, server := range map[string]func(testing.TB) *servers.Server{"versitygw": servers.Versitygw, "minio": servers.MinIO} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := twoReplicasOn(t, server(t))
			p.sameKey("models/both")
			p.shareUpload("models/crowd")
			for i := range 4 {
				p.abortRace(fmt.Sprintf("models/race-%d", i))
			}
			p.nothingLeft()
			for i := range p.gates {
				if r := p.verify(i); r.Code != 0 {
					t.Errorf("the log of replica %d: %s%s", i, r.Stdout, r.Stderr)
				}
			}
		})
	}
}

// send sends a part through one replica, which may die of it.
func (c *crowd) send(replica, index int, body io.Reader) {
	target := fmt.Sprintf("/%s?partNumber=%d&uploadId=%s", c.path, index+1, c.id)
	a, err := c.gates[replica].Try(c.clients[replica], http.MethodPut, target, body, int64(len(c.parts[index])), nil)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lines[index] = ""
	if err == nil && a.Status == http.StatusOK {
		c.lines[index] = fmt.Sprintf("<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>", index+1, a.Header.Get("ETag"))
	}
}

func (c *crowd) body(index int) io.Reader { return bytes.NewReader(c.parts[index]) }

func (p *pair) shareUpload(path string) {
	t := p.t
	t.Helper()
	c := &crowd{pair: p, path: path, id: p.create(0, path), lines: make([]string, 14)}
	for range 13 {
		c.parts = append(c.parts, randomBytes(5<<20+len(c.parts)))
	}
	c.parts = append(c.parts, []byte("the short last part"))
	c.send(1, 13, c.body(13))
	c.together(0, 7)
	var wg sync.WaitGroup
	for index := 7; index < 12; index++ {
		wg.Go(func() { c.send(0, index, c.body(index)) })
	}
	wg.Go(func() { c.send(1, 12, &killer{Reader: c.body(12), at: 2 << 20, kill: p.gates[1].Kill}) })
	wg.Wait()
	if c.lines[12] != "" || slices.Contains(c.lines[:12], "") {
		t.Fatalf("the part that was cut off alone should be missing: %q", c.lines)
	}
	c.send(0, 12, c.body(12))
	list := p.must(http.StatusOK, 0, http.MethodGet, path+"?uploadId="+c.id, nil)
	if n := bytes.Count(list.Body, []byte("<Part>")); n != len(c.parts) {
		t.Errorf("%d parts are listed of %d", n, len(c.parts))
	}
	first := p.must(http.StatusOK, 0, http.MethodPost, path+"?uploadId="+c.id, completion(c.lines...))
	if err := p.gates[1].Restart(t, nil); err != nil {
		t.Fatal(err)
	}
	p.wantObject(path, bytes.Join(c.parts, nil))
	again := p.must(http.StatusOK, 1, http.MethodPost, path+"?uploadId="+c.id, completion(c.lines...))
	if etagOf(first.Body) == "" || etagOf(first.Body) != etagOf(again.Body) {
		t.Errorf("the same again through the other replica: %s, before %s", again.Body, first.Body)
	}
	p.must(http.StatusNotFound, 1, http.MethodDelete, path+"?uploadId="+c.id, nil)
}

// together sends parts through both replicas at once, every third one first with
// other bytes through the other replica.
func (c *crowd) together(from, to int) {
	var wg sync.WaitGroup
	for i := from; i < to; i++ {
		wg.Go(func() {
			if i%3 == 0 {
				c.send((i+1)%2, i, bytes.NewReader(bytes.Repeat([]byte{byte(i)}, len(c.parts[i]))))
			}
			c.send(i%2, i, c.body(i))
		})
	}
	wg.Wait()
}

func etagOf(body []byte) string {
	_, rest, _ := strings.Cut(string(body), "<ETag>")
	etag, _, _ := strings.Cut(rest, "</ETag>")
	return etag
}

// sameKey: both replicas write one key at the same moment. One of them wins, whole;
// of two that may only create, one alone.
func (p *pair) sameKey(path string) {
	t := p.t
	t.Helper()
	for round := range 6 {
		target, header := path, http.Header(nil)
		if round%2 == 1 {
			target, header = fmt.Sprintf("%s-%d", path, round), http.Header{"If-None-Match": {"*"}}
		}
		bodies := [2][]byte{randomBytes(300_000), randomBytes(200_000)}
		var answers [2]gate.Answer
		var wg sync.WaitGroup
		for i := range bodies {
			wg.Go(func() { answers[i] = p.do(i, http.MethodPut, target, bodies[i], header.Clone()) })
		}
		wg.Wait()
		won := 0
		for i := range answers {
			if answers[i].Status == http.StatusOK {
				won++
			}
		}
		if header != nil && won != 1 || header == nil && won == 0 {
			t.Errorf("%d writes of %s won: %d %s; %d %s", won, target, answers[0].Status, answers[0].Body, answers[1].Status, answers[1].Body)
		}
		for i := range p.gates {
			a := p.must(http.StatusOK, i, http.MethodGet, target, nil)
			if a.Err != nil || !bytes.Equal(a.Body, bodies[0]) && !bytes.Equal(a.Body, bodies[1]) {
				t.Errorf("%s through replica %d: %d bytes that nobody wrote (%v)", target, i, len(a.Body), a.Err)
			}
		}
	}
}

// abortRace: one replica completes what the other one aborts. Whichever came
// first, a client that was told of an object has it, and there is no other.
func (p *pair) abortRace(path string) {
	t := p.t
	t.Helper()
	id, data := p.create(0, path), randomBytes(5<<20)
	line := p.part(1, path, id, 1, data)
	var completed, aborted gate.Answer
	var wg sync.WaitGroup
	wg.Go(func() { completed = p.do(0, http.MethodPost, path+"?uploadId="+id, completion(line), nil) })
	wg.Go(func() { aborted = p.do(1, http.MethodDelete, path+"?uploadId="+id, nil, nil) })
	wg.Wait()
	made := completed.Status == http.StatusOK && bytes.Contains(completed.Body, []byte("<CompleteMultipartUploadResult"))
	if !made && aborted.Status != http.StatusNoContent {
		t.Errorf("neither came first: completing %d %s, aborting %d %s", completed.Status, completed.Body, aborted.Status, aborted.Body)
	}
	switch a := p.do(1, http.MethodGet, path, nil, nil); {
	case made && (a.Status != http.StatusOK || !bytes.Equal(a.Body, data)):
		t.Errorf("it was completed, but then it is %d, %d bytes", a.Status, len(a.Body))
	case !made && a.Status != http.StatusNotFound:
		t.Errorf("completing was answered %d %s, but an object is there: %d, %d bytes", completed.Status, completed.Body, a.Status, len(a.Body))
	}
}

// nothingLeft: no part waits anywhere, for uploads that ended.
func (p *pair) nothingLeft() {
	t := p.t
	t.Helper()
	if a := p.must(http.StatusOK, 1, http.MethodGet, "models?uploads", nil); bytes.Contains(a.Body, []byte("<Upload>")) {
		t.Errorf("open uploads: %s", a.Body)
	}
	eventually(t, "nothing is left at the backend", func() error {
		client := p.server.Client(t)
		for u := range client.ListIncompleteUploads(t.Context(), p.bucket, "", true) {
			return fmt.Errorf("an upload of %s (%w)", u.Key, u.Err)
		}
		for o := range client.ListObjects(t.Context(), p.bucket, minio.ListObjectsOptions{Prefix: ".sealgate/staging/", Recursive: true}) {
			return fmt.Errorf("%s (%w)", o.Key, o.Err)
		}
		return nil
	})
}
