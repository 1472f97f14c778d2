// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
)

// period is how long random bytes go on before they repeat: no multiple of
// any buffer, record or segment, so that a piece in a wrong place is noticed.
const period = 8<<20 + 13

// noise is what payloads are cut from, made where there are any: it must not
// count as memory of a process that is measured.
var noise = sync.OnceValue(func() []byte {
	b := make([]byte, period+maxPiece)
	src := rand.NewChaCha8([32]byte{'s', 'e', 'a', 'l', 'g', 'a', 't', 'e'})
	_, _ = src.Read(b[:period]) // never fails
	copy(b[period:], b)
	return b
})

const maxPiece = 1 << 20

// payload is a body of its own for each seed: size bytes from some place of
// the noise on. It is both the source of a PUT and the check of a GET.
type payload struct {
	at   int // in noise
	left int64
}

func newPayload(seed int, size int64) *payload {
	return &payload{at: seed * 104_729 % period, left: size} // a prime, so that neighbours differ
}

// Read implements io.Reader.
func (p *payload) Read(b []byte) (int, error) {
	if p.left == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(int64(len(b)), p.left)], noise()[p.at:])
	p.advance(n)
	return n, nil
}

// Write compares b with what comes next.
func (p *payload) Write(b []byte) (int, error) {
	for done := 0; done < len(b); {
		n := min(len(b)-done, maxPiece)
		if int64(n) > p.left || !bytes.Equal(b[done:done+n], noise()[p.at:p.at+n]) {
			return done, fmt.Errorf("the bytes that came, with %d to come, are not those that were put", p.left)
		}
		p.advance(n)
		done += n
	}
	return len(b), nil
}

func (p *payload) advance(n int) {
	p.at = (p.at + n) % period
	p.left -= int64(n)
}

// skip goes on n bytes later.
func (p *payload) skip(n int64) {
	p.at, p.left = int((int64(p.at)+n)%period), p.left-n
}
