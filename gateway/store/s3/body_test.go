// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/store"
)

// A transport that says that a body is over before its length is not believed.
func TestDownloadThatEndsEarly(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	d := &download{
		ctx: ctx, cancel: cancel, body: io.NopCloser(strings.NewReader("bod")), left: 4, pace: newPace(time.Minute, cancel),
	}
	if b, err := io.ReadAll(d); !errors.Is(err, io.ErrUnexpectedEOF) || !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("%q, %v", b, err)
	}
	_ = d.Close()
}

// After its try a transport gets nothing of the body any more: it would take
// bytes from the next try, or read what the caller has closed.
func TestUploadAfterItsEnd(t *testing.T) {
	t.Parallel()
	_, cancel := context.WithCancelCause(t.Context())
	inner := strings.NewReader("body")
	up := &upload{body: store.NewExact(inner, 4), pace: newPace(time.Minute, cancel)}
	if up.end() {
		t.Error("an upload that nobody read has begun")
	}
	if n, err := up.Read(make([]byte, 4)); n > 0 || !errors.Is(err, errEnded) || inner.Len() != 4 {
		t.Errorf("Read after the end: %d, %v; %d bytes left", n, err, inner.Len())
	}
}
