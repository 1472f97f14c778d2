// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// capturedSecret is what the clients signed with that were captured at these
// hosts. The secret of the others is not known.
const capturedSecret = "secretexample"

var capturedHosts = []string{"127.0.0.1:19180", "localhost:19543"}

// What real clients signed is verified, heads and chunks, and not under another
// secret.
func TestCapturedSignatures(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/requests/*.http")
	if err != nil {
		t.Fatal(err)
	}
	heads, payloads, clients := 0, 0, map[string]bool{}
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".http")
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
		if err != nil {
			t.Fatal(err)
		}
		s, err := ReadSignature(r)
		if err != nil || s == nil || s.AccessKey != "AKIDEXAMPLE" || !slices.Contains(capturedHosts, r.Host) {
			continue
		}
		v, err := s.Verify(r, []byte(capturedSecret), s.Time)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		heads++
		client, _, _ := strings.Cut(name, "_")
		clients[client] = true
		_, err = s.Verify(r, []byte(capturedSecret+"x"), s.Time)
		wantError(t, err, "SignatureDoesNotMatch", 403)
		payloads += capturedPayload(t, name, r, v)
	}
	if heads < 90 || payloads < 1 || len(clients) < 6 {
		t.Errorf("only %d heads and %d signed payloads of %d clients were verified", heads, payloads, len(clients))
	}
}

// capturedPayload reads the payload of a captured upload with its signature.
func capturedPayload(t *testing.T, name string, r *http.Request, v *Verified) int {
	t.Helper()
	op, err := Parse(r, Options{Listener: SessionKeys})
	if err != nil {
		return 0
	}
	var body *Body
	switch op := op.(type) {
	case *PutObject:
		op.UseSignature(v)
		body = op.Body(r.Body)
		if !op.payload.mode.signed {
			return 0
		}
	case *UploadPart:
		op.UseSignature(v)
		body = op.Body(r.Body)
		if !op.payload.mode.signed {
			return 0
		}
	default:
		return 0
	}
	if _, err := io.Copy(io.Discard, body); err != nil {
		t.Errorf("%s: its payload: %v", name, err)
	}
	return 1
}
