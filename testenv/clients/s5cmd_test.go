// SPDX-License-Identifier: Apache-2.0

package clients

import (
	"debug/buildinfo"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/testenv/servers"
)

// s5cmd can show no client certificate.
type s5cmd struct {
	*world
	bin string
	s3  string // URL of its prefix
}

func openS5cmd(t *testing.T, w *world) play {
	t.Helper()
	c := &s5cmd{world: w, bin: servers.S5cmd(t), s3: "s3://" + w.bucket + "/" + w.prefix}
	info, err := buildinfo.ReadFile(c.bin) // what "s5cmd version" prints is set by the scripts of its releases
	must(t, err)
	return play{version: strings.TrimPrefix(info.Main.Version, "v"), steps: map[string]func(*testing.T){
		"upload": c.upload, "download": c.download, "range": c.ranged, "list": c.list, "sync": c.sync, "copy": c.copy, "delete": c.remove, "multipart": c.multipart,
	}}
}

func (c *s5cmd) upload(t *testing.T) {
	c.make(t, "small.bin", 300_007)
	c.run(t, c.bin, "cp", "small.bin", c.s3+"a b+é/small.bin")
}

func (c *s5cmd) download(t *testing.T) {
	c.run(t, c.bin, "cp", c.s3+"a b+é/small.bin", "back")
	c.same(t, "back", "small.bin")
}

// ranged: s5cmd downloads in ranges of a part's size, at once.
func (c *s5cmd) ranged(t *testing.T) {
	c.make(t, "ranges", 17<<20+3)
	c.run(t, c.bin, "cp", "ranges", c.s3+"ranges")
	c.run(t, c.bin, "cp", "--part-size", "5", c.s3+"ranges", "back")
	c.same(t, "back", "ranges")
	n := 0
	for _, r := range c.gate.Records(t, audit.SearchQuery{Who: c.who, Path: c.bucket + "/" + c.prefix + "ranges", Event: "artifact.read"}) {
		if r.Range != "" {
			n++
		}
	}
	if n != 4 {
		t.Errorf("it was read in %d ranges, want 4", n)
	}
	c.run(t, c.bin, "rm", c.s3+"ranges")
}

func (c *s5cmd) list(t *testing.T) {
	if out := c.run(t, c.bin, "ls", c.s3+"*"); strings.Count(out, "\n") != 1 || !strings.Contains(out, " 300007  a b+é/small.bin") {
		t.Errorf("ls: %s", out)
	}
}

func (c *s5cmd) sync(t *testing.T) {
	n := c.tree(t)
	if out := c.run(t, c.bin, "sync", "tree/", c.s3+"sync/"); strings.Count(out, "cp tree/") != n {
		t.Errorf("first sync: %s", out)
	}
	c.still(t, func() {
		if out := c.run(t, c.bin, "sync", "tree/", c.s3+"sync/"); out != "" {
			t.Errorf("second sync: %s", out)
		}
	})
	c.once(t, "sync/", n)
	c.run(t, c.bin, "sync", c.s3+"sync/*", "tree2/")
	c.sameTree(t, "tree2", "tree")
	c.still(t, func() {
		if out := c.run(t, c.bin, "sync", c.s3+"sync/*", "tree2/"); out != "" {
			t.Errorf("second sync back: %s", out)
		}
	})
}

func (c *s5cmd) copy(t *testing.T) {
	c.run(t, c.bin, "cp", c.s3+"a b+é/small.bin", c.s3+"copied")
	c.run(t, c.bin, "cp", c.s3+"copied", "back")
	c.same(t, "back", "small.bin")
}

func (c *s5cmd) remove(t *testing.T) {
	c.run(t, c.bin, "rm", c.s3+"*")
	if out, err := c.command(c.bin, "ls", c.s3+"*").CombinedOutput(); err == nil || !strings.Contains(string(out), "no object found") {
		t.Errorf("after rm: %s", out)
	}
}

func (c *s5cmd) multipart(t *testing.T) {
	c.make(t, "large", large())
	c.run(t, c.bin, "cp", "large", c.s3+"large")
	c.run(t, c.bin, "cp", c.s3+"large", "back")
	c.same(t, "back", "large")
	c.run(t, c.bin, "rm", c.s3+"large")
	c.inParts(t, "large")
}
