// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

// longLog has several sealed segments and two levels of tiles.
func longLog(t *testing.T) Config {
	t.Helper()
	c := testConfig(t)
	c.SegmentSize, c.VerifyAtOpen = 16<<10, 1
	l := mustOpen(t, c)
	for i := range 400 {
		end(t, begin(t, l, write(fmt.Sprint("k", i))))
	}
	mustClose(t, l)
	mustVerify(t, c.Dir, VerifyOptions{})
	return c
}

func segmentFiles(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, segmentDir, "*"))
	if err != nil || len(names) < 4 {
		t.Fatalf("%d segments, %v", len(names), err)
	}
	return names
}

// sign replaces the checkpoint by one that the log's own key signs.
func sign(t *testing.T, dir string, edit func(*checkpoint)) {
	t.Helper()
	k, err := parseLogKey(readFile(t, dir, keyName))
	if err != nil {
		t.Fatal(err)
	}
	cp, err := openCheckpoint(readFile(t, dir, checkpointName), k.public())
	if err != nil {
		t.Fatal(err)
	}
	edit(&cp)
	msg, err := cp.sign(k)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, msg, dir, checkpointName)
}

// edit changes the first occurrence of from in a file.
func edit(t *testing.T, name, from, to string) {
	t.Helper()
	b := readFile(t, name)
	if !bytes.Contains(b, []byte(from)) {
		t.Fatalf("no %q in %s", from, name)
	}
	writeFile(t, bytes.Replace(b, []byte(from), []byte(to), 1), name)
}

// TestChecksAlone spoils one thing so that a single check stands in the way:
// the others are satisfied by hand, with the key where one is needed.
func TestChecksAlone(t *testing.T) {
	t.Parallel()
	c := longLog(t)
	for name, x := range map[string]struct {
		spoil  func(t *testing.T, dir string)
		verify string // part of what verify says; "" = it accepts
		open   string // of what a start says, which looks at the newest part only
	}{
		"checkpoint of another log": {
			func(t *testing.T, dir string) {
				t.Helper()
				sign(t, dir, func(c *checkpoint) { c.uuid = newLogKey().uuid })
			},
			"it is of log", "it is of log",
		},
		"checkpoint of a start to come": {
			func(t *testing.T, dir string) {
				t.Helper()
				sign(t, dir, func(c *checkpoint) { c.epoch = 9 })
			},
			"it is of start 9", "it is of start 9",
		},
		"checkpoint of another tree": {
			func(t *testing.T, dir string) {
				t.Helper()
				sign(t, dir, func(c *checkpoint) { c.root = tlog.RecordHash(nil) })
			},
			"are not those that it signs", "are not those that it signs",
		},
		"checkpoint of more records": {
			func(t *testing.T, dir string) {
				t.Helper()
				sign(t, dir, func(c *checkpoint) { c.size += 3 })
			},
			"cut off or deleted", "cut off or deleted",
		},
		"old record changed": {
			func(t *testing.T, dir string) {
				t.Helper()
				edit(t, segmentFiles(t, dir)[1], `"status":200`, `"status":404`)
			},
			"it was changed: its hash is not the one in tile/0/000", "",
		},
		"old segment removed": {
			func(t *testing.T, dir string) {
				t.Helper()
				if err := os.Remove(segmentFiles(t, dir)[1]); err != nil {
					t.Fatal(err)
				}
			},
			"are missing before this segment", "are missing before it",
		},
		"oldest segment removed": {
			func(t *testing.T, dir string) {
				t.Helper()
				if err := os.Remove(segmentFiles(t, dir)[0]); err != nil {
					t.Fatal(err)
				}
			},
			"records 0 to ", "records 0 to ",
		},
		"old segment cut": {
			func(t *testing.T, dir string) {
				t.Helper()
				if err := os.Truncate(segmentFiles(t, dir)[1], 5000); err != nil {
					t.Fatal(err)
				}
			},
			"no whole record", "cut off",
		},
		"old segment cut between two records": {
			func(t *testing.T, dir string) {
				t.Helper()
				name := segmentFiles(t, dir)[1]
				b := readFile(t, name)
				b = b[:bytes.LastIndexByte(b[:len(b)-1], '\n')+1]
				writeFile(t, b, name)
			},
			"it is not the index of its segment", "cut off",
		},
		"old segment longer": {
			func(t *testing.T, dir string) {
				t.Helper()
				name := segmentFiles(t, dir)[1]
				writeFile(t, append(readFile(t, name), "\x00\x00more\n"...), name)
			},
			"zero bytes", "",
		},
		"leaf tile changed, the newest part beside it": {
			func(t *testing.T, dir string) {
				t.Helper()
				b := readFile(t, dir, "tile/0/000")
				b[0] ^= 1
				writeFile(t, b, dir, "tile/0/000")
			},
			"tile/0/000", "",
		},
		"partial leaf tile changed": {
			func(t *testing.T, dir string) {
				t.Helper()
				flipPartial(t, dir, 0)
			},
			"tile/0/003.p", "tile/0/003.p",
		},
		"upper tile changed": {
			func(t *testing.T, dir string) {
				t.Helper()
				flipPartial(t, dir, 1)
			},
			"tile/1/000.p", "are not those that it signs",
		},
		"index of an old segment hides a request": {
			func(t *testing.T, dir string) {
				t.Helper()
				name := filepath.Join(dir, indexName(0))
				x, err := decodeIndex(readFile(t, name), 0)
				if err != nil {
					t.Fatal(err)
				}
				b := &indexBuilder{head: x.indexHead}
				msg, err := b.encode(newLedger())
				if err != nil {
					t.Fatal(err)
				}
				writeFile(t, msg, name)
			},
			"not the index of its segment", "",
		},
		"index names an intent that is none": {
			func(t *testing.T, dir string) {
				t.Helper()
				names := segmentFiles(t, dir)
				firsts, err := parseSegments([]string{filepath.Base(names[len(names)-3])})
				if err != nil {
					t.Fatal(err)
				}
				name := filepath.Join(dir, indexName(firsts[0]))
				x, err := decodeIndex(readFile(t, name), firsts[0])
				if err != nil {
					t.Fatal(err)
				}
				g := x.ledger()
				g.open[4] = true // an outcome
				b := &indexBuilder{head: x.indexHead}
				b.head.Reads, b.head.Changes, b.head.Unsettled = nil, nil, nil
				msg, err := b.encode(g)
				if err != nil {
					t.Fatal(err)
				}
				writeFile(t, msg, name)
			},
			"not the index of its segment", "which it is not",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := copyLog(t, c.Dir)
			x.spoil(t, dir)
			_, err := Verify(dir, VerifyOptions{})
			expect(t, "verify", err, x.verify)
			l, err := Open(at(c, dir))
			if err == nil {
				mustClose(t, l)
			}
			expect(t, "open", err, x.open)
		})
	}
}

func expect(t *testing.T, who string, err error, want string) {
	t.Helper()
	if want == "" && err != nil || want != "" && (!errors.Is(err, ErrIntegrity) || !strings.Contains(err.Error(), want)) {
		t.Errorf("%s: %v, want %q", who, err, want)
	}
}

func flipPartial(t *testing.T, dir string, level int) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, fmt.Sprintf("tile/%d/*.p/*", level)))
	if err != nil || len(names) != 1 {
		t.Fatal(names, err)
	}
	b := readFile(t, names[0])
	b[0] ^= 1
	writeFile(t, b, names[0])
}

func TestVerifyOfNothing(t *testing.T) {
	t.Parallel()
	for _, dir := range []string{t.TempDir(), filepath.Join(t.TempDir(), "absent")} {
		if _, err := Verify(dir, VerifyOptions{}); err == nil || errors.Is(err, ErrIntegrity) {
			t.Errorf("a wrong path is no damage: %v", err)
		}
	}
}

func TestTooLarge(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	l := mustOpen(t, c)
	big := make(map[string]string)
	for i := range maxPairs {
		big[fmt.Sprintf("%02d", i)] = strings.Repeat("\x01", maxPairValue)
	}
	e := read("x")
	e.Detail = big
	if _, err := l.Begin(t.Context(), e); !errors.Is(err, ErrTooLarge) {
		t.Errorf("begin: %v", err)
	}
	e = read(strings.Repeat("k", MaxRecord))
	if _, err := l.Deny(t.Context(), e); !errors.Is(err, ErrTooLarge) {
		t.Errorf("deny: %v", err)
	}
	p := begin(t, l, write("y"))
	hostile := strings.Repeat("\x01", maxString)
	o := Outcome{Status: 500, Error: hostile, VersionID: hostile, Keyring: hostile, KEK: hostile, KEKVersion: hostile, S3Error: hostile, Abort: hostile, Object: hostile, ObjectDigest: hostile, Detail: big}
	if err := p.End(t.Context(), o); err != nil {
		t.Errorf("what happened was not recorded: %v", err)
	}
	mustClose(t, l)
	if r := mustVerify(t, c.Dir, VerifyOptions{}); r.Open != 0 {
		t.Errorf("%s", r)
	}
}

// TestProgressAfterEnd: a late progress is left out; the log stays right.
func TestProgressAfterEnd(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	l := mustOpen(t, c)
	p := begin(t, l, read("x"))
	p.Progress(5)
	end(t, p)
	p.Progress(6)
	mustClose(t, l)
	mustVerify(t, c.Dir, VerifyOptions{})
	if got := records(t, c.Dir, SearchQuery{Path: "models/x"}); len(got) != 3 || got[1].BytesSent != 5 || got[1].Phase != PhaseProgress {
		t.Errorf("%+v", got)
	}
}

// TestLazyRecordsWaitForCompany: an outcome that nobody awaits causes no
// commit of its own before its time, and rides on the next one.
func TestLazyRecordsWaitForCompany(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	commits := make(chan Commit, 100)
	c.Observe = func(x Commit) { commits <- x }
	l := mustOpen(t, c)
	a, b := begin(t, l, read("a")), begin(t, l, read("b"))
	for len(commits) > 0 {
		<-commits
	}
	end(t, a)
	end(t, b)
	select {
	case x := <-commits:
		if x.Records != 2 {
			t.Errorf("the first commit has %d records, want both outcomes", x.Records)
		}
	default:
		begin(t, l, read("c"))
		if x := <-commits; x.Records != 3 {
			t.Errorf("the next commit has %d records, want the outcomes with it", x.Records)
		}
	}
	mustClose(t, l)
}

// TestSegmentAge: an idle segment is sealed when it is old.
func TestSegmentAge(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	c.SegmentAge = 1
	l := mustOpen(t, c)
	if err := tryBegin(l, read("x")); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool {
		names, err := os.ReadDir(filepath.Join(c.Dir, segmentDir))
		return err == nil && len(names) > 1
	})
	mustClose(t, l)
	mustVerify(t, c.Dir, VerifyOptions{})
}

func TestReport(t *testing.T) {
	t.Parallel()
	base := Report{Log: "3f9c1a7e-0b51-4e0c-9d44-0a6f7f1be0aa", Records: 19, Segments: 1, Checkpoints: 1}
	seq := uint64(41)
	for want, edit := range map[string]func(*Report){
		"log 3f9c1a7e: 19 records, 1 segment, 1 checkpoint: no gap, no change, every intent has its outcome":                func(*Report) {},
		"log 3f9c1a7e: 1 record, 2 segments, 0 checkpoints: no gap, no change, every intent has its outcome":                func(r *Report) { r.Records, r.Segments, r.Checkpoints = 1, 2, 0 },
		"log 3f9c1a7e: 19 records, 1 segment, 1 checkpoint: no gap, no change, 3 intents still open in the running gateway": func(r *Report) { r.Open, r.Live = 3, true },
		"log 3f9c1a7e: 19 records, 1 segment, 1 checkpoint: DAMAGED: record 41 in segments/x.jsonl: w":                      func(r *Report) { r.Fault = &Fault{File: "segments/x.jsonl", Record: &seq, What: "w"} },
		"log unknown: 19 records, 1 segment, 1 checkpoint: DAMAGED: checkpoint: w\n  a note": func(r *Report) {
			r.Log, r.Fault, r.Notes = "", &Fault{File: "checkpoint", What: "w"}, []string{"a note"}
		},
		"log 3f9c1a7e: 19 records, 1 segment, 1 checkpoint: no gap, no change, 1 change to be reconciled with the backend":                  func(r *Report) { r.Unsettled = 1 },
		"log 3f9c1a7e: 19 records, 1 segment, 1 checkpoint: no gap, no change, 1 intent without outcome until the next start recovers them": func(r *Report) { r.Open = 1 },
	} {
		r := base
		edit(&r)
		if got := r.String(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
