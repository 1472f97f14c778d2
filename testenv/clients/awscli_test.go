// SPDX-License-Identifier: Apache-2.0

package clients

import (
	"os"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/testenv/servers"
)

// awscli is the command line of AWS. It can show no client certificate.
type awscli struct {
	*world
	aws string
	s3  string // URL of its prefix
}

func openAWSCLI(t *testing.T, w *world) play {
	t.Helper()
	c := &awscli{world: w, aws: servers.AWS(t), s3: "s3://" + w.bucket + "/" + w.prefix}
	version, _, _ := strings.Cut(strings.TrimPrefix(w.run(t, c.aws, "--version"), "aws-cli/"), " ")
	return play{version: version, steps: map[string]func(*testing.T){
		"upload": c.upload, "download": c.download, "range": c.ranged, "list": c.list, "sync": c.sync, "copy": c.copy, "delete": c.remove, "multipart": c.multipart,
	}}
}

func (c *awscli) upload(t *testing.T) {
	c.make(t, "small.bin", 300_007)
	c.run(t, c.aws, "s3", "cp", "--no-progress", "small.bin", c.s3+"a b+%é/small.bin")
}

func (c *awscli) download(t *testing.T) {
	c.run(t, c.aws, "s3", "cp", "--no-progress", c.s3+"a b+%é/small.bin", "back")
	c.same(t, "back", "small.bin")
}

func (c *awscli) ranged(t *testing.T) {
	c.run(t, c.aws, "s3api", "get-object", "--bucket", c.bucket, "--key", c.prefix+"a b+%é/small.bin", "--range", "bytes=65530-131080", "part")
	file, err := os.ReadFile(c.path("small.bin"))
	must(t, err)
	must(t, os.WriteFile(c.path("want"), file[65530:131081], 0o600))
	c.same(t, "part", "want")
}

func (c *awscli) list(t *testing.T) {
	if out := c.run(t, c.aws, "s3", "ls", "--recursive", c.s3); strings.Count(out, "\n") != 1 || !strings.Contains(out, "300007 "+c.prefix+"a b+%é/small.bin") {
		t.Errorf("ls: %s", out)
	}
}

func (c *awscli) sync(t *testing.T) {
	n := c.tree(t)
	if out := c.run(t, c.aws, "s3", "sync", "--no-progress", "tree", c.s3+"sync"); strings.Count(out, "upload:") != n {
		t.Errorf("first sync: %s", out)
	}
	c.still(t, func() {
		if out := c.run(t, c.aws, "s3", "sync", "--no-progress", "tree", c.s3+"sync"); out != "" {
			t.Errorf("second sync: %s", out)
		}
	})
	c.once(t, "sync/", n)
	c.run(t, c.aws, "s3", "sync", "--no-progress", c.s3+"sync", "tree2")
	c.sameTree(t, "tree2", "tree")
	c.still(t, func() {
		if out := c.run(t, c.aws, "s3", "sync", "--no-progress", c.s3+"sync", "tree2"); out != "" {
			t.Errorf("second sync back: %s", out)
		}
	})
}

func (c *awscli) copy(t *testing.T) {
	c.run(t, c.aws, "s3", "cp", "--no-progress", c.s3+"a b+%é/small.bin", c.s3+"copied")
	c.run(t, c.aws, "s3", "cp", "--no-progress", c.s3+"copied", "back")
	c.same(t, "back", "small.bin")
}

func (c *awscli) remove(t *testing.T) {
	c.run(t, c.aws, "s3", "rm", "--recursive", c.s3)
	if out := c.run(t, c.aws, "s3api", "list-objects-v2", "--bucket", c.bucket, "--prefix", c.prefix); strings.Contains(out, "Key") {
		t.Errorf("after rm: %s", out)
	}
}

func (c *awscli) multipart(t *testing.T) {
	c.make(t, "large", large())
	c.run(t, c.aws, "s3", "cp", "--no-progress", "large", c.s3+"large")
	c.run(t, c.aws, "s3", "cp", "--no-progress", c.s3+"large", "back")
	c.same(t, "back", "large")
	c.run(t, c.aws, "s3", "rm", c.s3+"large")
	c.inParts(t, "large")
}
