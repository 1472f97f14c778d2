// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

func TestWholeLogReplaced(t *testing.T) {
	t.Parallel()
	c, reg := closedLog(t, 2)
	if err := os.RemoveAll(c.Dir); err != nil {
		t.Fatal(err)
	}
	l := mustOpen(t, c) // nothing is known of the old one here
	mustClose(t, l)
	known := []Registration{reg}
	if _, err := Verify(c.Dir, VerifyOptions{Registered: known}); !errors.Is(err, ErrIntegrity) {
		t.Errorf("verify: %v", err)
	}
	c.Registered = known
	if _, err := Open(c); !errors.Is(err, ErrIntegrity) {
		t.Errorf("open: %v", err)
	}
}

func TestOlderCopyPutBack(t *testing.T) {
	t.Parallel()
	c, _ := closedLog(t, 2)
	old := copyLog(t, c.Dir)
	l := mustOpen(t, c)
	end(t, begin(t, l, read("new")))
	reg, kept := l.Registration(), l.Checkpoint()
	mustClose(t, l)
	kept2 := readFile(t, c.Dir, checkpointName)
	if string(kept) == string(kept2) {
		t.Fatal("Close signed nothing")
	}
	mustVerify(t, c.Dir, VerifyOptions{Registered: []Registration{reg}, Since: kept})
	mustVerify(t, c.Dir, VerifyOptions{Since: kept2})
	for name, o := range map[string]VerifyOptions{"registered": {Registered: []Registration{reg}}, "since": {Since: kept}} {
		if _, err := Verify(old, o); !errors.Is(err, ErrIntegrity) {
			t.Errorf("%s: %v", name, err)
		}
	}
	c.Registered = []Registration{reg}
	if _, err := Open(at(c, old)); !errors.Is(err, ErrIntegrity) {
		t.Errorf("open: %v", err)
	}
}

// TestRewrittenWithKey: root with the key rewrites history and signs it. Only
// a checkpoint kept elsewhere tells.
func TestRewrittenWithKey(t *testing.T) {
	t.Parallel()
	c, reg := closedLog(t, 3)
	kept := readFile(t, c.Dir, checkpointName)
	k, err := parseLogKey(readFile(t, c.Dir, keyName))
	if err != nil {
		t.Fatal(err)
	}
	var tr tree
	forge(t, c.Dir, func(a [][]byte) [][]byte {
		a = a[:len(a)/2] // the second start never was
		a[3] = bytes.Replace(a[3], []byte("v1"), []byte("v9"), 1)
		for _, raw := range a {
			_ = tr.add(tlog.RecordHash(raw))
		}
		return a
	})
	note, err := checkpoint{uuid: k.uuid, epoch: 1, size: tr.size, root: tr.root()}.sign(k)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, note, c.Dir, checkpointName)
	mustVerify(t, c.Dir, VerifyOptions{}) // as good as a true one
	if _, err := Verify(c.Dir, VerifyOptions{Since: kept}); !errors.Is(err, ErrIntegrity) {
		t.Errorf("since: %v", err)
	}
	if _, err := Verify(c.Dir, VerifyOptions{Registered: []Registration{reg}}); !errors.Is(err, ErrIntegrity) {
		t.Errorf("registered: %v", err)
	}
	// The same for a history of the same length.
	n, at, err := rootAt(c.Dir, 4)
	if err != nil {
		t.Fatal(err)
	}
	for want, cp := range map[string]checkpoint{
		"":                            {uuid: k.uuid, epoch: 1, size: n, root: at},
		"are not those of the check":  {uuid: k.uuid, epoch: 1, size: n, root: tlog.RecordHash(nil)},
		"is not one of this log; the": {uuid: newLogKey().uuid, epoch: 1, size: n, root: at},
	} {
		msg, err := cp.sign(k)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Verify(c.Dir, VerifyOptions{Since: msg})
		expect(t, "since", err, want)
	}
}

// rootAt returns the root over the first n records of the first segment.
func rootAt(dir string, n uint64) (uint64, tlog.Hash, error) {
	b, err := os.ReadFile(filepath.Join(dir, segmentName(0)))
	if err != nil {
		return 0, tlog.Hash{}, err
	}
	var tr tree
	for _, raw := range bytes.Split(b, []byte("\n"))[:n] {
		if err := tr.add(tlog.RecordHash(raw)); err != nil {
			return 0, tlog.Hash{}, err
		}
	}
	return n, tr.root(), nil
}

func TestKeyOfAnotherLog(t *testing.T) {
	t.Parallel()
	c, _ := closedLog(t, 1)
	writeFile(t, newLogKey().encode(), c.Dir, keyName)
	if _, err := Open(c); !errors.Is(err, ErrIntegrity) {
		t.Errorf("another key: %v", err)
	}
}

func TestRefusedKeys(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(path string) error
		want  string
	}{
		"missing": {os.Remove, "key is missing"},
		"missing, the checkpoint too": {func(p string) error {
			return errors.Join(os.Remove(p), os.Remove(filepath.Join(filepath.Dir(p), checkpointName)))
		}, "key is missing, though segments holds files"},
		"missing, only the checkpoint left": {func(p string) error {
			dir := filepath.Dir(p)
			err := os.Remove(p)
			for _, sub := range []string{segmentDir, tileDir, indexDir} {
				err = errors.Join(err, os.RemoveAll(filepath.Join(dir, sub)))
			}
			return err
		}, "key is missing, though there is a checkpoint"},
		"empty":    {func(p string) error { return os.Truncate(p, 0) }, "the file is empty"},
		"cut":      {func(p string) error { return os.Truncate(p, 50) }, "not an audit key, or damaged"},
		"readable": {func(p string) error { return os.Chmod(p, 0o640) }, "chmod 600"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg, _ := closedLog(t, 1)
			if err := c.spoil(filepath.Join(cfg.Dir, keyName)); err != nil {
				t.Fatal(err)
			}
			_, err := Open(cfg)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestStrangeNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"segments/x.jsonl", "segments/0.jsonl", "segments/00000000000000000000.jsonl.bak"} {
		c, _ := closedLog(t, 1)
		writeFile(t, nil, c.Dir, name)
		if _, err := Verify(c.Dir, VerifyOptions{}); !errors.Is(err, ErrIntegrity) {
			t.Errorf("%s: %v", name, err)
		}
	}
	c, _ := closedLog(t, 1)
	if err := os.Rename(filepath.Join(c.Dir, segmentName(0)), filepath.Join(c.Dir, "segments/0.jsonl")); err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(c.Dir, VerifyOptions{}); !errors.Is(err, ErrIntegrity) {
		t.Errorf("renamed: %v", err)
	}
}
