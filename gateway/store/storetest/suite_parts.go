// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway/store"
)

func testBadPartBody(t *testing.T, h Harness) {
	s := h.Open(t)
	u := begin(t, s, "k")
	const size = 300_000
	body := pattern(size, 3)
	good := u.part(1, "good")
	for _, tt := range []struct {
		name string
		body io.Reader
		want error
	}{
		{"fails at once", failing(body, 0, errBody), errBody},
		{"fails in the middle", failing(body, size/2, errBody), errBody},
		{"fails before the last byte", failing(body, size-1, errBody), errBody},
		{"fails after the last byte", failing(body, size, errBody), errBody},
		{"is empty", streamOf(""), store.ErrLength},
		{"is one byte short", streamOf(body[1:]), store.ErrLength},
		{"is one byte long", streamOf(body + "x"), store.ErrLength},
		{"breaks off", failing(body, size/3, io.ErrUnexpectedEOF), io.ErrUnexpectedEOF},
	} {
		_, err := u.s.PutPart(t.Context(), "k", u.name, 1, tt.body, size)
		wantKind(t, "a part whose body "+tt.name, err, tt.want)
	}
	_, err := u.s.PutPart(t.Context(), "k", u.name, 1, streamOf("x"), 0)
	wantKind(t, "something for nothing", err, store.ErrLength)
	u.become("good", good)
}

func testPartOptions(t *testing.T, h Harness) {
	s := h.Open(t)
	u := begin(t, s, "k")
	for _, number := range []int{0, -1, store.MaxParts + 1} {
		_, err := u.s.PutPart(t.Context(), "k", u.name, number, streamOf("x"), 1)
		wantKind(t, fmt.Sprintf("part %d", number), err, store.ErrOptions)
	}
	_, err := u.s.PutPart(t.Context(), "k", u.name, 1, streamOf("x"), -1)
	wantKind(t, "negative size", err, store.ErrOptions)
	_, err = u.s.PutPart(t.Context(), "k", u.name, 1, streamOf("x"), store.MaxPart+1)
	wantKind(t, "more than a part may have", err, store.ErrTooLarge)
	for _, metadata := range []string{strings.Repeat("m", store.MaxMetadata+1), "a b", "a\r\nx: y", "\u00e9"} {
		_, err = u.s.CreateMultipart(t.Context(), "k", metadata)
		wantKind(t, fmt.Sprintf("metadata %.10q", metadata), err, store.ErrOptions)
	}
	name, err := u.s.CreateMultipart(t.Context(), "k", strings.Repeat("m", store.MaxMetadata))
	wantKind(t, "the longest metadata", err, nil)
	u = &uploading{t, u.s, "k", name}
	_, err = u.complete(store.CompleteOptions{}, u.part(1, "x"))
	wantKind(t, "completing", err, nil)
	head, err := s.Head(t.Context(), "k")
	if err != nil || len(head.Metadata) != store.MaxMetadata {
		t.Errorf("the longest metadata: %d bytes, %v", len(head.Metadata), err)
	}
	if name, err = u.s.CreateMultipart(t.Context(), "none", ""); err != nil {
		t.Fatal(err)
	}
	u = &uploading{t, u.s, "none", name}
	if _, err = u.complete(store.CompleteOptions{}, u.part(1, "x")); err == nil {
		head, err = s.Head(t.Context(), "none")
	}
	if err != nil || head.Metadata != "" {
		t.Errorf("no metadata: %q, %v", head.Metadata, err)
	}
}

// testUploadKeys uploads every awkward key beside the others.
func testUploadKeys(t *testing.T, h Harness) {
	s := h.Open(t)
	m := s.(store.Multiparter)
	var held []string
	for _, key := range append([]string{"", "a\xff", strings.Repeat("k", store.MaxKey+1)}, awkward...) {
		err := uploadOne(t.Context(), m, key)
		refuses := store.CheckKey(key) != nil || h.Refuses(key, held) || h.RefusesUpload(key)
		late := h.LateKeys && errors.Is(err, store.ErrUnavailable)
		switch {
		case refuses && !errors.Is(err, store.ErrKey) && !late:
			t.Errorf("upload of %q: %v, want ErrKey", key, err)
		case !refuses && err != nil:
			t.Errorf("upload of %q: %v", key, err)
		}
		if err == nil {
			held = append(held, key)
		}
	}
	for _, key := range held {
		expect(t, s, key, "body of "+key)
	}
}

// uploadOne uploads a key in one part.
func uploadOne(ctx context.Context, m store.Multiparter, key string) error {
	name, err := m.CreateMultipart(ctx, key, "")
	if err != nil {
		return err
	}
	body := "body of " + key
	tag, err := m.PutPart(ctx, key, name, 1, streamOf(body), int64(len(body)))
	if err == nil {
		_, err = m.CompleteMultipart(ctx, key, name, []store.PartTag{{Number: 1, ETag: tag}}, store.CompleteOptions{})
	}
	if err != nil {
		return errors.Join(err, m.AbortMultipart(ctx, key, name))
	}
	return nil
}

func testCancelledUpload(t *testing.T, h Harness) {
	s := h.Open(t)
	u := begin(t, s, "k")
	good := u.part(1, "good")
	ctx, cancel := context.WithCancel(t.Context())
	body := io.MultiReader(strings.NewReader(pattern(100_000, 5)), readFunc(func([]byte) (int, error) {
		cancel() // and wait for what the store makes of it
		<-ctx.Done()
		return 0, ctx.Err()
	}))
	_, err := u.s.PutPart(ctx, "k", u.name, 1, body, 200_000)
	wantKind(t, "PutPart whose context ends", err, context.Canceled)
	_, err = u.s.CreateMultipart(ctx, "k", "")
	wantKind(t, "CreateMultipart", err, context.Canceled)
	_, err = u.s.PutPart(ctx, "k", u.name, 1, streamOf("x"), 1)
	wantKind(t, "PutPart", err, context.Canceled)
	_, err = u.s.CompleteMultipart(ctx, "k", u.name, []store.PartTag{good}, store.CompleteOptions{})
	wantKind(t, "CompleteMultipart", err, context.Canceled)
	wantKind(t, "AbortMultipart", u.s.AbortMultipart(ctx, "k", u.name), context.Canceled)
	expectAbsent(t, s, "k")
	u.become("good", good)
}

// testManyParts makes an object of as many parts as the time for it allows: the
// servers that demand large parts are given as many as a listing page of theirs
// does not show.
func testManyParts(t *testing.T, h Harness) {
	s := h.Open(t)
	u := begin(t, s, "k")
	count, size := 1500, 100
	if h.MinPart > 0 {
		count, size = 12, h.MinPart
	}
	tags := make([]store.PartTag, count)
	together(4, func(worker int) {
		for i := worker; i < count; i += 4 {
			body := pattern(size, byte(i))
			tag, err := u.s.PutPart(t.Context(), "k", u.name, i+1, streamOf(body), int64(size))
			if err != nil {
				t.Errorf("part %d: %v", i+1, err)
			}
			tags[i] = store.PartTag{Number: i + 1, ETag: tag}
		}
	})
	if t.Failed() {
		return
	}
	if _, err := u.complete(store.CompleteOptions{}, tags...); err != nil {
		t.Fatal(err)
	}
	r, err := s.Get(t.Context(), "k", store.Whole())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	got := make([]byte, size)
	for i := range count {
		if _, err := io.ReadFull(r, got); err != nil || string(got) != pattern(size, byte(i)) {
			t.Fatalf("part %d reads wrong: %v", i+1, err)
		}
	}
	if n, err := r.Read(got); n > 0 || !errors.Is(err, io.EOF) {
		t.Errorf("%d bytes after the last part, %v", n, err)
	}
}
