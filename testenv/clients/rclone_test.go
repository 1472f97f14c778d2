// SPDX-License-Identifier: Apache-2.0

package clients

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/testenv/servers"
)

// rclone is run as its user would: what is not told on the command line comes
// from its environment.
type rclone struct {
	*world
	base []string
	at   string // its prefix
}

// openRclone is for provider Other, which speaks path style.
func openRclone(t *testing.T, w *world) play {
	t.Helper()
	remote := "sealgate:" // "sealgate-agent env" names it
	if w.way == mtls {
		remote = fmt.Sprintf(":s3,provider=Other,endpoint='%s',access_key_id=any,secret_access_key=any:", w.url)
	}
	return newRclone(t, w, remote)
}

// openRcloneAWS is for provider AWS, which puts the bucket into the host's name
// whatever it is told: gateway and agent are given a domain. It takes an entity
// tag for an MD5 unless it is told otherwise.
func openRcloneAWS(t *testing.T, w *world) play {
	t.Helper()
	port := w.url[strings.LastIndexByte(w.url, ':'):]
	names := resolve(t, strings.TrimPrefix(port, ":"))
	w.env = append(w.env, "HTTP_PROXY="+names, "HTTPS_PROXY="+names)
	if w.way == mtls {
		return newRclone(t, w, fmt.Sprintf(":s3,provider=AWS,use_multipart_etag=false,region=us-east-1,endpoint='https://%s%s',access_key_id=any,secret_access_key=any:", domain, port))
	}
	return newRclone(t, w, fmt.Sprintf(":s3,provider=AWS,use_multipart_etag=false,region=us-east-1,endpoint='http://%s%s',env_auth=true:", domain, port))
}

func newRclone(t *testing.T, w *world, remote string) play {
	t.Helper()
	c := &rclone{world: w, at: remote + w.bucket + "/" + strings.TrimSuffix(w.prefix, "/")}
	must(t, os.WriteFile(w.path("rclone.conf"), nil, 0o600))
	c.base = []string{servers.Rclone(t), "--config", w.path("rclone.conf")}
	if w.way == mtls {
		c.base = append(c.base, "--client-cert", w.id+"/svid.pem", "--client-key", w.id+"/key.pem", "--ca-cert", w.id+"/bundle.pem")
	}
	return play{
		version: strings.TrimPrefix(strings.Fields(w.run(t, c.base[0], "version"))[1], "v"),
		steps: map[string]func(*testing.T){
			"upload": c.upload, "download": c.download, "range": c.ranged, "list": c.list, "sync": c.sync, "copy": c.copy, "delete": c.remove, "multipart": c.multipart,
		},
	}
}

func (c *rclone) do(t *testing.T, args ...string) string {
	t.Helper()
	return c.run(t, c.base[0], append(c.base[1:len(c.base):len(c.base)], args...)...)
}

func (c *rclone) upload(t *testing.T) {
	c.make(t, "small.bin", 300_007)
	c.do(t, "copyto", "small.bin", c.at+"/a b+%é/small.bin")
}

func (c *rclone) download(t *testing.T) {
	c.do(t, "copyto", c.at+"/a b+%é/small.bin", "back")
	c.same(t, "back", "small.bin")
}

func (c *rclone) ranged(t *testing.T) {
	file, err := os.ReadFile(c.path("small.bin"))
	must(t, err)
	if got := c.do(t, "cat", "--offset", "65530", "--count", "65551", c.at+"/a b+%é/small.bin"); got != string(file[65530:131081]) {
		t.Errorf("a range: %d bytes that are not those", len(got))
	}
}

func (c *rclone) list(t *testing.T) {
	if out := c.do(t, "ls", c.at); strings.TrimSpace(out) != "300007 a b+%é/small.bin" {
		t.Errorf("ls: %s", out)
	}
}

func (c *rclone) sync(t *testing.T) {
	n := c.tree(t)
	if out := c.do(t, "sync", "-v", "tree", c.at+"/sync"); strings.Count(out, ": Copied (new)") != n {
		t.Errorf("first sync: %s", out)
	}
	c.still(t, func() {
		if out := c.do(t, "sync", "-v", "tree", c.at+"/sync"); !strings.Contains(out, "There was nothing to transfer") || strings.Contains(out, "Copied") || strings.Contains(out, "Updated") {
			t.Errorf("second sync: %s", out)
		}
	})
	c.once(t, "sync/", n)
	c.do(t, "sync", c.at+"/sync", "tree2")
	c.sameTree(t, "tree2", "tree")
	c.still(t, func() {
		if out := c.do(t, "sync", "-v", c.at+"/sync", "tree2"); !strings.Contains(out, "There was nothing to transfer") || strings.Contains(out, "Copied") {
			t.Errorf("second sync back: %s", out)
		}
	})
	c.do(t, "check", "--download", "tree", c.at+"/sync")
}

func (c *rclone) copy(t *testing.T) {
	c.do(t, "copyto", c.at+"/a b+%é/small.bin", c.at+"/copied")
	c.do(t, "copyto", c.at+"/copied", "back")
	c.same(t, "back", "small.bin")
}

func (c *rclone) remove(t *testing.T) {
	c.do(t, "delete", c.at)
	if out := c.do(t, "ls", c.at); out != "" {
		t.Errorf("after delete: %s", out)
	}
}

func (c *rclone) multipart(t *testing.T) {
	c.make(t, "large", large())
	c.do(t, "copyto", "--s3-upload-cutoff", "16Mi", "large", c.at+"/large")
	c.do(t, "copyto", c.at+"/large", "back")
	c.same(t, "back", "large")
	c.do(t, "deletefile", c.at+"/large")
	c.inParts(t, "large")
}
