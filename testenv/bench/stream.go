// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/sealgate/sealgate/envelope"
)

// streamOnce seals and opens a body of size bytes in this process, none of it
// kept, and prints the most memory that the process ever had.
func streamOnce(size int64) error {
	key := envelope.NewKeyringKey(envelope.NewID(), envelope.NewID(), 1, envelope.NewKey())
	loc := envelope.Location{Bucket: "models", Key: "stream"}
	s, err := envelope.NewSealer(envelope.SealConfig{Key: key, Location: loc, Size: size})
	if err != nil {
		return err
	}
	keys := func(envelope.ID, uint32) (*envelope.KeyringKey, error) { return key, nil }
	o, err := envelope.OpenHeader(s.Metadata(), loc, keys)
	if err != nil {
		return err
	}
	sealed := s.Reader(newPayload(0, size), func() (envelope.Digests, error) { return envelope.Digests{}, nil })
	want := newPayload(0, size)
	if _, err := io.Copy(want, o.OpenAll(sealed, s.StoredSize())); err != nil {
		return err
	}
	if want.left != 0 {
		return errors.New("the stream ended early")
	}
	rss, err := peak(os.Getpid())
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(os.Stdout, rss)
	return err
}
