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

const (
	near = 50 << 20
	// uploadPart divides 50 MiB: a short last part waits in the store of the
	// bench, which would be measured.
	uploadPart = 10 << 20
	// shareNear is how much less than the one object those of 50 MiB are
	// together. It is enough for the collector to run: a process is smallest
	// before that, whatever it does.
	shareNear = 5
)

// measureFar shows that one object of 50 GiB takes the memory of objects of 50
// MiB, read or uploaded in parts. What a gateway takes that has only just
// started, and has moved a single one of those, is reported beside it.
func measureFar(t testing.TB) []Result {
	t.Helper()
	var all []Result
	for _, w := range []struct {
		name string
		do   func(to target, i int, size int64) error
	}{{"get", getFar}, {"multipart", uploadFar}} {
		side := func(size, n int64) func() (float64, error) {
			return func() (float64, error) { return farPeak(t, size, n, w.do) }
		}
		size := *far << 30
		one, err := alternate(1, side(size, 1), side(near, size/near/shareNear))
		if err != nil {
			t.Fatal(err)
		}
		fresh, err := alternate(3, side(near, 1))
		if err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprintf("rss-%dgib-%s", *far, w.name)
		all = append(all,
			against(name, "MiB", one[0], "of 50 MiB", one[1]).atMost(1.1),
			against(name, "MiB", one[0], "first 50 MiB", rounds{fresh[0].median()}))
	}
	return all
}

func getFar(to target, i int, size int64) error {
	return to.getZeros(fmt.Sprintf("/%s%d", farKeys, i), size)
}

func uploadFar(to target, i int, size int64) error {
	return to.upload(fmt.Sprintf("/upload/%d", i), 1, size, uploadPart, 1)
}

// farPeak gives the most memory that a new gateway needed for work of one size,
// done n times, in MiB.
func farPeak(t testing.TB, size, n int64, do func(target, int, int64) error) (float64, error) {
	t.Helper()
	ca, dir := certstest.NewCA(t, gate.TrustDomain), t.TempDir()
	if err := pemfile.Write(dir, ca.SVID(t, "/gateway", certstest.Options{})); err != nil {
		return 0, err
	}
	endpoint, pid := startChild(t, "far", t.TempDir(), dir, strconv.FormatInt(size, 10))
	g := &gate.Gate{CA: ca}
	to := newTarget(endpoint+"/models", g.TLS(t, ca.SVID(t, "/writer", certstest.Options{})))
	for i := range n {
		if err := do(to, int(i), size); err != nil {
			return 0, err
		}
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
		if _, err := farPeak(t, size, 2, func(to target, i int, size int64) error {
			if err := getFar(to, i, size); err != nil {
				return err
			}
			if err := getFar(to, i, size); err == nil {
				return errors.New("parts were sealed twice")
			}
			return to.upload(fmt.Sprintf("/upload/%d", i), 1, size, farPart, 1)
		}); err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
	if _, err := (&onlyZeros{}).Write([]byte{0, 0, 1, 0}); !errors.Is(err, errNotZero) {
		t.Errorf("other bytes were taken for zeros: %v", err)
	}
}
