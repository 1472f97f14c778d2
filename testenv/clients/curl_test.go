// SPDX-License-Identifier: Apache-2.0

package clients

import (
	"encoding/xml"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/testenv/servers"
)

// curl is the client that knows nothing of S3 but how to sign.
type curl struct {
	*world
	base []string
}

func openCurl(t *testing.T, w *world) play {
	t.Helper()
	c := &curl{world: w, base: []string{servers.Curl(t), "-sS", "--fail-with-body"}}
	if w.way == mtls {
		c.base = append(c.base, "--cert", w.id+"/svid.pem", "--key", w.id+"/key.pem", "--cacert", w.id+"/bundle.pem")
	} else {
		c.base = append(c.base, "--aws-sigv4", "aws:amz:us-east-1:s3", "--user", w.getenv("AWS_ACCESS_KEY_ID")+":"+w.getenv("AWS_SECRET_ACCESS_KEY"),
			"-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD")
	}
	return play{
		version: strings.Fields(w.run(t, c.base[0], "--version"))[1],
		steps: map[string]func(*testing.T){
			"upload": c.upload, "download": c.download, "range": c.ranged, "list": c.list, "copy": c.copy, "delete": c.remove, "multipart": c.multipart,
		},
	}
}

// do runs curl against a key of the client.
func (c *curl) do(t *testing.T, key string, args ...string) string {
	t.Helper()
	return c.run(t, c.base[0], append(append(c.base[1:len(c.base):len(c.base)], args...), c.url+"/"+c.bucket+"/"+c.prefix+key)...)
}

func (c *curl) upload(t *testing.T) {
	for _, size := range []int{0, 1, 65535, 65536, 65537, 1 << 20} {
		c.do(t, fmt.Sprintf("%d.bin", size), "-T", c.make(t, fmt.Sprintf("%d.bin", size), size))
	}
}

func (c *curl) download(t *testing.T) {
	for _, size := range []int{0, 1, 65535, 65536, 65537, 1 << 20} {
		name := fmt.Sprintf("%d.bin", size)
		must(t, os.WriteFile(c.path("back"), nil, 0o600)) // curl writes no file for no bytes
		c.do(t, name, "-o", "back")
		c.same(t, "back", name)
		if head := c.do(t, name, "-I"); !strings.Contains(head, fmt.Sprintf("Content-Length: %d\r\n", size)) {
			t.Errorf("HEAD of %d bytes: %s", size, head)
		}
	}
}

func (c *curl) ranged(t *testing.T) {
	file, err := os.ReadFile(c.path("1048576.bin"))
	must(t, err)
	for said, want := range map[string][]byte{"65530-131080": file[65530:131081], "-1": file[1<<20-1:], "1000000-": file[1000000:]} {
		if got := c.do(t, "1048576.bin", "-r", said); got != string(want) {
			t.Errorf("range %s: %d bytes that are not those %d", said, len(got), len(want))
		}
	}
}

// listing lists the client's keys. curl signs a query as it stands, so it is
// written as the signature has it: sorted, escaped, each parameter with its "=".
func (c *curl) listing(t *testing.T) string {
	t.Helper()
	return c.run(t, c.base[0], append(c.base[1:len(c.base):len(c.base)], c.url+"/"+c.bucket+"?list-type=2&prefix="+url.QueryEscape(c.prefix))...)
}

func (c *curl) list(t *testing.T) {
	out := c.listing(t)
	if strings.Count(out, "<Key>") != 6 || !strings.Contains(out, "<Size>65537</Size>") {
		t.Errorf("listing: %s", out)
	}
}

func (c *curl) copy(t *testing.T) {
	c.do(t, "copied.bin", "-X", "PUT", "-H", "x-amz-copy-source: /"+c.bucket+"/"+c.prefix+"1048576.bin")
	c.do(t, "copied.bin", "-o", "back")
	c.same(t, "back", "1048576.bin")
}

func (c *curl) remove(t *testing.T) {
	for _, name := range []string{"0.bin", "1.bin", "65535.bin", "65536.bin", "65537.bin", "1048576.bin", "copied.bin"} {
		c.do(t, name, "-X", "DELETE")
	}
	if out := c.listing(t); strings.Contains(out, "<Key>") {
		t.Errorf("after deletes: %s", out)
	}
}

var entityTag = regexp.MustCompile(`"[0-9a-f]{32}[^"]*"`)

// multipart does by hand what SDKs do.
func (c *curl) multipart(t *testing.T) {
	const parts = 4
	size := large()
	c.make(t, "large", size)
	file, err := os.ReadFile(c.path("large"))
	must(t, err)
	var made struct{ UploadId string }
	must(t, xml.Unmarshal([]byte(c.do(t, "large?uploads=", "-X", "POST")), &made))
	complete := "<CompleteMultipartUpload>"
	for n := range parts {
		must(t, os.WriteFile(c.path("part"), file[n*size/parts:(n+1)*size/parts], 0o600))
		head := c.do(t, fmt.Sprintf("large?partNumber=%d&uploadId=%s", n+1, made.UploadId), "-T", "part", "-D", "-")
		tag := entityTag.FindString(head)
		complete += fmt.Sprintf("<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>", n+1, tag)
	}
	if done := c.do(t, "large?uploadId="+made.UploadId, "--data-binary", complete+"</CompleteMultipartUpload>"); !strings.Contains(done, "<ETag>") {
		t.Fatalf("completing: %s", done)
	}
	c.do(t, "large", "-o", "back")
	c.same(t, "back", "large")
	c.do(t, "large", "-X", "DELETE")
}
