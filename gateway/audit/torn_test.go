// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// crashed makes a log as a crash leaves it, without a checkpoint of its
// records: the directory is copied while the log is open. It returns the
// directory, the newest segment's records, and how many records are signed.
func crashed(t *testing.T, work func(l *Log)) (dir string, seg string, lines [][]byte) {
	t.Helper()
	c := testConfig(t)
	l := mustOpen(t, c)
	work(l)
	dir = copyLog(t, c.Dir)
	mustClose(t, l)
	seg = filepath.Join(dir, segmentName(0))
	b := bytes.TrimRight(readFile(t, seg), "\x00")
	return dir, seg, bytes.SplitAfter(b, []byte("\n"))
}

func configAt(t *testing.T, dir string) Config {
	t.Helper()
	return at(testConfig(t), dir)
}

// opening returns the newest log.open.
func opening(t *testing.T, dir string) Record {
	t.Helper()
	var last Record
	err := Search(dir, SearchQuery{Event: EventOpen}, func(m Match) bool { last = m.Record; return true })
	if err != nil {
		t.Fatal(err)
	}
	return last
}

// TestTornAtEveryByte cuts the newest record at each of its bytes, followed
// by nothing and by reserved space. Each such log verifies, opens, keeps the
// record before, and says how much was cut.
func TestTornAtEveryByte(t *testing.T) {
	t.Parallel()
	dir, seg, lines := crashed(t, func(l *Log) {
		end(t, begin(t, l, read("a")))
		begin(t, l, read("b"))
	})
	last := lines[len(lines)-2]
	before := bytes.Join(lines[:len(lines)-2], nil)
	for n := range last {
		for _, reserved := range []int{0, 4096} {
			tail := append(bytes.Clone(last[:n]), make([]byte, reserved)...)
			one := copyLog(t, dir)
			writeFile(t, append(bytes.Clone(before), tail...), one, strings.TrimPrefix(seg, dir))
			r, err := Verify(one, VerifyOptions{})
			if err != nil || int(r.Records) != len(lines)-2 {
				t.Fatalf("cut at %d: verify: %v\n%s", n, err, r)
			}
			l, err := Open(configAt(t, one))
			if err != nil {
				t.Fatalf("cut at %d: open: %v", n, err)
			}
			mustClose(t, l)
			mustVerify(t, one, VerifyOptions{})
			o := opening(t, one)
			sum := sha256.Sum256(last[:n])
			if n > 0 && (o.TornBytes != int64(n) || o.TornSHA256 != hex.EncodeToString(sum[:])) {
				t.Fatalf("cut at %d: recorded %d bytes", n, o.TornBytes)
			}
			if got := readFile(t, one, strings.TrimPrefix(seg, dir)); !bytes.Equal(got, before) {
				t.Fatalf("cut at %d: the file has %d bytes, want %d", n, len(got), len(before))
			}
		}
	}
}

// TestTornBatch cuts a batch of several records between two of them.
func TestTornBatch(t *testing.T) {
	t.Parallel()
	dir, seg, lines := crashed(t, func(l *Log) {
		for i := range 3 {
			begin(t, l, read(fmt.Sprint(i)))
		}
	})
	// Three batches of one record become one batch of three.
	at := len(lines) - 4
	for i := range 3 {
		r, _, err := decodeRecord(bytes.TrimSuffix(lines[at+i], []byte("\n")), nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Batch = 0
		if i == 0 {
			r.Batch = 3
		}
		lines[at+i] = append(appendLine(nil, &r), '\n')
	}
	for keep := 1; keep <= 3; keep++ {
		one := copyLog(t, dir)
		writeFile(t, bytes.Join(lines[:at+keep], nil), one, strings.TrimPrefix(seg, dir))
		mustVerify(t, one, VerifyOptions{})
		l := mustOpen(t, configAt(t, one))
		mustClose(t, l)
		if r := mustVerify(t, one, VerifyOptions{}); r.Open != 0 || r.Epoch != 2 {
			t.Errorf("%d kept: %s", keep, r)
		}
	}
	// Anything but a start behind a short batch is damage.
	bad := append(append([][]byte{}, lines[:at+2]...), bytes.Replace(lines[at], []byte(fmt.Sprintf(`"seq":%d`, at)), []byte(fmt.Sprintf(`"seq":%d`, at+2)), 1))
	writeFile(t, bytes.Join(bad, nil), seg)
	if _, err := Verify(dir, VerifyOptions{}); !errors.Is(err, ErrIntegrity) {
		t.Errorf("short batch in the middle: %v", err)
	}
	if _, err := Open(configAt(t, dir)); !errors.Is(err, ErrIntegrity) {
		t.Errorf("short batch in the middle, open: %v", err)
	}
}

// TestJudgeTail knows what a power cut does to a batch, and what it does not.
func TestJudgeTail(t *testing.T) {
	t.Parallel()
	rec := func(seq, batch int) string {
		r := Record{Version: 1, Log: "3f9c1a7e", Seq: uint64(seq), Batch: batch, Phase: PhaseDeny, Actor: strings.Repeat("a", 600)}
		return string(appendLine(nil, &r)) + "\n"
	}
	batch := rec(7, 4) + rec(8, 0) + rec(9, 0) + rec(10, 0)
	hole := func(s string, from, to int) string { return s[:from] + strings.Repeat("\x00", to-from) + s[to:] }
	pad := strings.Repeat("\x00", 3000)
	for name, c := range map[string]struct {
		good int
		tail string
		torn bool // an unacknowledged batch; otherwise damage
	}{
		"nothing":                        {0, "", true},
		"reserved space":                 {0, pad, true},
		"all sectors of a batch but two": {0, strings.Repeat("x", 512) + strings.Repeat(pad[:512], maxBatch/512-2) + "x", true},
		"cut line":                       {0, batch[:100], true},
		"cut line and reserved space":    {0, batch[:100] + pad, true},
		"first sectors missing":          {0, hole(batch, 0, 1024), true},
		"sector missing":                 {0, hole(batch, 512, 1024), true},
		"two sectors missing":            {0, hole(hole(batch, 512, 1024), 1536, 2048), true},
		"sector missing, not at 0":       {300, hole(batch, 512-300, 1024-300), true},
		"first bytes of a shared sector": {300, hole(batch, 0, 1024-300), true},
		"whole line that is no record":   {0, "garbage\n", false},
		"changed whole record":           {0, strings.Replace(batch, "deny", "dnyy", 1), false},
		"one zero byte":                  {0, hole(batch, 700, 701), false},
		"zeros that are no sectors":      {0, hole(batch, 500, 1024), false},
		"zeros that end within a sector": {0, hole(batch, 512, 1000), false},
		"later batch behind the hole":    {0, hole(batch+rec(11, 1)+rec(12, 1), 512, 1024), false},
		"whole bad line before the hole": {0, hole("garbage\n"+batch, 1024, 1536), false},
		"line too long":                  {0, strings.Repeat("x", MaxRecord+1), false},
		"more than a batch":              {0, strings.Repeat("x", 512) + strings.Repeat(pad[:512], maxBatch/512) + "x", false},
		"byte far behind the zeros":      {0, pad + "x", false},
	} {
		body := strings.Repeat("g", c.good) + c.tail
		got, err := judgeTail(strings.NewReader(body), int64(c.good), int64(len(body)))
		if (err == nil) != c.torn {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		if want := int64(len(strings.TrimRight(c.tail, "\x00"))); err == nil && got.bytes != want {
			t.Errorf("%s: %d bytes torn, want %d", name, got.bytes, want)
		}
	}
}

// TestPowerCut leaves out any sectors of the newest batch, as a disk may whose
// power fails before fdatasync returns: that is never taken for damage, and no
// record of an earlier batch is cut off.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range 3000 {
		seq := 0
		batch := func(n int) (b []byte) {
			for k := range n {
				r := Record{Version: 1, Log: "3f9c1a7e", Seq: uint64(seq), Phase: PhaseDeny, Key: strings.Repeat("k", rnd.IntN(900))}
				if k == 0 {
					r.Batch = n
				}
				seq++
				b = append(appendLine(b, &r), '\n')
			}
			return b
		}
		durable := append(batch(1+rnd.IntN(3)), batch(1+rnd.IntN(3))...)
		acked := seq
		disk := append(bytes.Clone(durable), batch(1+rnd.IntN(6))...)
		disk = append(disk, make([]byte, rnd.IntN(2)*2000)...)
		for at := len(durable) / sector * sector; at < len(disk); at += sector {
			if rnd.IntN(2) == 0 {
				clear(disk[max(at, len(durable)):min(at+sector, len(disk))])
			}
		}
		in, whole := newLines(bytes.NewReader(disk)), 0
		good := int64(0)
		for {
			raw, err := in.next()
			if err == nil {
				_, _, err = decodeRecord(raw, nil)
			}
			if err != nil {
				break
			}
			good, whole = in.off, whole+1
		}
		if _, err := judgeTail(bytes.NewReader(disk), good, int64(len(disk))); err != nil || whole < acked {
			t.Fatalf("%d: %d of %d acknowledged records: %v\n%q", i, whole, acked, err, disk[good:])
		}
	}
}

// TestDamageIsNotTorn: what is whole but wrong behind the checkpoint was
// acknowledged, perhaps; it is refused, not cut off.
func TestDamageIsNotTorn(t *testing.T) {
	t.Parallel()
	dir, seg, lines := crashed(t, func(l *Log) {
		end(t, begin(t, l, write("a")))
		end(t, begin(t, l, write("b")))
	})
	n := len(lines) - 1
	join := func(l [][]byte) []byte { return bytes.Join(l, nil) }
	for name, b := range map[string][]byte{
		"a name changed":     bytes.Replace(join(lines), []byte(`"PutObject"`), []byte(`"PutObjekt","`), 1),
		"record dropped":     join(append(append([][]byte{}, lines[:n-2]...), lines[n-1])),
		"record repeated":    join(append(append([][]byte{}, lines[:n]...), lines[n-1])),
		"records swapped":    join(append(append([][]byte{}, lines[:n-2]...), lines[n-1], lines[n-2])),
		"zero byte":          bytes.Replace(join(lines), []byte("fraud"), []byte("fra\x00d"), 1),
		"bytes after zeros":  append(append(join(lines), make([]byte, 100)...), 'x'),
		"signed record lost": {},
	} {
		one := copyLog(t, dir)
		writeFile(t, b, one, strings.TrimPrefix(seg, dir))
		if _, err := Verify(one, VerifyOptions{}); !errors.Is(err, ErrIntegrity) {
			t.Errorf("%s: verify: %v", name, err)
		}
		was := readFile(t, one, strings.TrimPrefix(seg, dir))
		if _, err := Open(configAt(t, one)); !errors.Is(err, ErrIntegrity) {
			t.Errorf("%s: open: %v", name, err)
		}
		if got := readFile(t, one, strings.TrimPrefix(seg, dir)); !bytes.Equal(got, was) {
			t.Errorf("%s: a refused log was changed", name)
		}
	}
}

// TestTornStart: a start that was killed in its first write leaves a torn
// segment behind log.close; bytes in the closed segment itself are damage.
func TestTornStart(t *testing.T) {
	t.Parallel()
	c, _ := closedLog(t, 2)
	size := mustVerify(t, c.Dir, VerifyOptions{}).Records
	next := filepath.Join(c.Dir, segmentName(size))
	for _, tail := range []string{"", `{"v":1,"lo`, "\x00\x00", strings.Repeat("\x00", 512) + "x"} {
		one := copyLog(t, c.Dir)
		writeFile(t, []byte(tail), one, segmentName(size))
		mustVerify(t, one, VerifyOptions{})
		mustClose(t, mustOpen(t, at(c, one)))
		mustVerify(t, one, VerifyOptions{})
	}
	firsts, err := (osDisk{root: c.Dir}).list(segmentDir)
	if err != nil {
		t.Fatal(err)
	}
	last := filepath.Join(c.Dir, segmentDir, firsts[len(firsts)-1])
	writeFile(t, append(readFile(t, last), '{'), last)
	if _, err := Verify(c.Dir, VerifyOptions{}); !errors.Is(err, ErrIntegrity) {
		t.Errorf("verify: %v", err)
	}
	if _, err := Open(c); !errors.Is(err, ErrIntegrity) {
		t.Errorf("open: %v", err)
	}
	if _, err := os.Stat(next); !os.IsNotExist(err) {
		t.Error("a refused log was changed")
	}
}
