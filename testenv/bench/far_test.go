// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"strconv"
	"testing"

	"github.com/sealgate/sealgate/certs/certstest"
	"github.com/sealgate/sealgate/certs/pemfile"
	"github.com/sealgate/sealgate/testenv/gate"
)

var far = flag.Int64("far", 50, "size in GiB of the object that must not need more memory than one of 50 MiB")

const near = 50 << 20

// measureFar shows that one object of 50 GiB takes the memory of one of 50 MiB,
// read or uploaded in parts.
func measureFar(t testing.TB) []Result {
	t.Helper()
	var all []Result
	for _, w := range []struct {
		name string
		do   func(target, int64) error
	}{
		{"get", func(to target, size int64) error { return to.getZeros("/"+farKey, size) }},
		{"multipart", func(to target, size int64) error { return to.upload("/upload", 1, size, farPart/4, 1) }},
	} {
		side := func(size int64) func() (float64, error) {
			return func() (float64, error) { return farPeak(t, size, w.do) }
		}
		once, err := alternate(1, side(*far<<30))
		if err != nil {
			t.Fatal(err)
		}
		base, err := alternate(3, side(near))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, against(fmt.Sprintf("rss-%dgib-%s", *far, w.name), "MiB", once[0], "50 MiB", rounds{base[0].median()}).atMost(1.1))
	}
	return all
}

// farPeak gives the most memory that a new gateway needed for work of one size,
// in MiB.
func farPeak(t testing.TB, size int64, do func(target, int64) error) (float64, error) {
	t.Helper()
	ca, dir := certstest.NewCA(t, gate.TrustDomain), t.TempDir()
	if err := pemfile.Write(dir, ca.SVID(t, "/gateway", certstest.Options{})); err != nil {
		return 0, err
	}
	endpoint, pid := startChild(t, "far", t.TempDir(), dir, strconv.FormatInt(size, 10))
	g := &gate.Gate{CA: ca}
	if err := do(newTarget(endpoint+"/models", g.TLS(t, ca.SVID(t, "/writer", certstest.Options{}))), size); err != nil {
		return 0, err
	}
	rss, err := peak(pid)
	return rss / (1 << 20), err
}

// getZeros reads size bytes, all of them zero.
func (s target) getZeros(path string, size int64) error {
	got := &onlyZeros{}
	if err := s.do(http.MethodGet, path, http.NoBody, 0, got); err != nil {
		return err
	}
	if got.n != size {
		return fmt.Errorf("getting %s: %d bytes, want %d", path, got.n, size)
	}
	return nil
}

type onlyZeros struct{ n int64 }

var errNotZero = errors.New("a byte that is not zero")

// Write implements io.Writer.
func (z *onlyZeros) Write(p []byte) (int, error) {
	if len(p) > 0 && (p[0] != 0 || !bytes.Equal(p[1:], p[:len(p)-1])) {
		return 0, errNotZero
	}
	z.n += int64(len(p))
	return len(p), nil
}

// What is read and written there goes through the real gateway: small sizes show
// that it arrives.
func TestFar(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: starts a gateway")
	}
	t.Parallel()
	for _, size := range []int64{1, farPart + 1} {
		if _, err := farPeak(t, size, func(to target, size int64) error {
			if err := to.getZeros("/"+farKey, size); err != nil {
				return err
			}
			if err := to.getZeros("/"+farKey, size); err == nil {
				return errors.New("parts were sealed twice")
			}
			return to.upload("/upload", 1, size, farPart, 1)
		}); err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
	if _, err := (&onlyZeros{}).Write([]byte{0, 0, 1, 0}); !errors.Is(err, errNotZero) {
		t.Errorf("other bytes were taken for zeros: %v", err)
	}
}
