// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

func TestRanges(t *testing.T) {
	t.Parallel()
	const whole, none = -1, -2
	for _, c := range []struct {
		header    string
		size      int64
		off, want int64 // want: length, whole or none
	}{
		{"bytes=0-4", 11, 0, 5},
		{"bytes=2-4", 11, 2, 3},
		{"bytes=10-10", 11, 10, 1},
		{"bytes=6-", 11, 6, 5},
		{"bytes=0-", 11, 0, 11},
		{"bytes=-5", 11, 6, 5},
		{"bytes=-11", 11, 0, 11},
		{"bytes=-50", 11, 0, 11},
		{"bytes=5-5000", 11, 5, 6},
		{"BYTES=2-4", 11, 2, 3},
		{"bytes=002-0004", 11, 2, 3},
		{"bytes=0-99999999999999999999", 11, 0, 11},
		{"bytes=-99999999999999999999", 11, 0, 11},

		{"bytes=11-", 11, 0, none},
		{"bytes=11-20", 11, 0, none},
		{"bytes=99999999999999999999-", 11, 0, none},
		{"bytes=-0", 11, 0, none},
		{"bytes=0-", 0, 0, none},
		{"bytes=0-0", 0, 0, none},
		{"bytes=-0", 0, 0, none},

		{"", 11, 0, whole},
		{"bytes", 11, 0, whole},
		{"bytes=", 11, 0, whole},
		{"bytes=-", 11, 0, whole},
		{"bytes=a-b", 11, 0, whole},
		{"bytes=5-2", 11, 0, whole},
		{"bytes=--5", 11, 0, whole},
		{"bytes=+1-5", 11, 0, whole},
		{"bytes=1-+5", 11, 0, whole},
		{"bytes=1 - 5", 11, 0, whole},
		{"bytes= 2-4", 11, 0, whole},
		{"bytes= -1", 11, 0, whole},
		{"bytes =0-1", 11, 0, whole},
		{"bytes=0x1-5", 11, 0, whole},
		{"bytes=1-5,7-8", 11, 0, whole},
		{"bytes=1-5,", 11, 0, whole},
		{"items=1-5", 11, 0, whole},
		{"bytes 1-5", 11, 0, whole},
		{"bytes=1-5-7", 11, 0, whole},
	} {
		t.Run(c.header+" of "+strconv.FormatInt(c.size, 10), func(t *testing.T) {
			t.Parallel()
			r := ParseRange(c.header)
			off, n, err := r.Resolve(c.size)
			if c.want == none {
				e := wantError(t, err, "InvalidRange", http.StatusRequestedRangeNotSatisfiable)
				if len(e.Extra) != 2 || e.Extra[1].Value != strconv.FormatInt(c.size, 10) {
					t.Errorf("Extra = %v", e.Extra)
				}
				return
			}
			length := c.want
			if c.want == whole {
				length = c.size
			}
			if err != nil || off != c.off || n != length || r.Partial() != (c.want != whole) {
				t.Errorf("%d+%d, partial %v, %v; want %d+%d", off, n, r.Partial(), err, c.off, length)
			}
		})
	}
}

func TestRangeBounds(t *testing.T) {
	t.Parallel()
	for header, want := range map[string][3]int64{
		"bytes=2-4": {2, 4, 1}, "bytes=6-": {6, -1, 1}, "": {0, -1, 1}, "bytes=-5": {0, 0, 0},
	} {
		first, last, ok := ParseRange(header).Bounds()
		if first != want[0] || last != want[1] || ok != (want[2] == 1) {
			t.Errorf("Bounds of %q = %d, %d, %v", header, first, last, ok)
		}
	}
}

func TestParts(t *testing.T) {
	t.Parallel()
	op := parsed[*HeadObject](t, "HEAD /models/k?partNumber=1")
	if off, n, err := op.Range.Resolve(7); off != 0 || n != 7 || err != nil || !op.Range.Partial() || op.Range.Part() != 1 {
		t.Errorf("part 1: %d+%d, %v", off, n, err)
	}
	if off, n, err := op.Range.Resolve(0); off != 0 || n != 0 || err != nil {
		t.Errorf("part 1 of an empty object: %d+%d, %v", off, n, err)
	}
	_, _, err := parsed[*GetObject](t, "GET /models/k?partNumber=2").Range.Resolve(7)
	wantError(t, err, "InvalidPartNumber", 416)
	for _, v := range []string{"0", "10001", "-1", "", "x", "1e3"} {
		refused(t, "InvalidArgument", "GET /models/k?partNumber="+v)
	}
	refused(t, "InvalidRequest", "GET /models/k?partNumber=1", "Range: bytes=0-1")
}

// The last bytes of an empty object are the whole of it: 200, since no
// Content-Range can name them.
func TestLastBytesOfNothing(t *testing.T) {
	t.Parallel()
	r := ParseRange("bytes=-5")
	off, n, err := r.Resolve(0)
	h := http.Header{}
	a := ObjectAnswer{Range: r}
	SetObjectHeaders(h, a)
	if off != 0 || n != 0 || err != nil || a.Status() != http.StatusOK || h.Get("Content-Range") != "" {
		t.Errorf("%d+%d %v, %d %v", off, n, err, a.Status(), h)
	}
}

// FuzzRange holds Resolve to its promises for any header and size, and the
// record's spelling of a range to its meaning.
func FuzzRange(f *testing.F) {
	f.Add("bytes=0-4", int64(11))
	f.Add("bytes=-5", int64(0))
	f.Add("bytes=99999999999999999999-", int64(math.MaxInt64))
	f.Add("bytes=5-2,1-1", int64(3))
	f.Fuzz(func(t *testing.T, header string, size int64) {
		if size < 0 {
			return
		}
		r := ParseRange(header)
		off, n, err := r.Resolve(size)
		if err != nil {
			if e := (*Error)(nil); !errors.As(err, &e) || e.Status != 416 || !r.Partial() {
				t.Fatalf("%q of %d: %v", header, size, err)
			}
			return
		}
		if off < 0 || n < 0 || off > size || n > size-off {
			t.Fatalf("%q of %d gives %d+%d", header, size, off, n)
		}
		if !r.Partial() && (off != 0 || n != size) || r.Partial() && n == 0 && size != 0 {
			t.Fatalf("%q of %d gives %d+%d, partial %v", header, size, off, n, r.Partial())
		}
		if r.Partial() && strings.Contains(header, ",") {
			t.Fatalf("%q has several ranges and one was answered", header)
		}
		if again := ParseRange(r.String()); again != r {
			t.Fatalf("%q is %+v, written %q it is %+v", header, r, r.String(), again)
		}
	})
}
