// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/sealgate/sealgate/envelope"
	"github.com/sealgate/sealgate/gateway/policy"
	"github.com/sealgate/sealgate/gateway/s3api"
)

// A long read notes how far it came after so many bytes, or after so long
// (AUDIT.md, "What is durable when").
const (
	progressBytes = 1 << 30
	progressTime  = time.Minute
)

func (x *exchange) getObject(op *s3api.GetObject, g policy.Grant) error {
	x.event.Range = op.Range.String()
	rd, err := x.readerAt(g, op.VersionID)
	if err != nil {
		return err
	}
	if err := x.begin(); err != nil {
		return err
	}
	w := want{key: g.Key(), rng: op.Range, cond: op.Conditions, checksums: op.ChecksumMode}
	s, err := rd.body(x.r.Context(), w)
	defer s.close()
	if err != nil {
		return x.readError(s, g, err)
	}
	a, err := x.describe(s, w, op.Overrides)
	if err != nil {
		return x.readError(s, g, err)
	}
	if !s.partial() {
		return x.stream(s, s.object.OpenAll(s.body, s.stored.Size), a)
	}
	_, sealed, err := s.object.Plan(a.Off, a.Len)
	if err != nil {
		return err
	}
	return x.stream(s, s.object.OpenRange(io.LimitReader(s.body, sealed), a.Off, a.Len), a)
}

func (x *exchange) headObject(op *s3api.HeadObject, g policy.Grant) error {
	rd, err := x.readerAt(g, op.VersionID)
	if err != nil {
		return err
	}
	if err := x.begin(); err != nil {
		return err
	}
	w := want{key: g.Key(), rng: op.Range, cond: op.Conditions, checksums: op.ChecksumMode}
	s, err := rd.head(x.r.Context(), w)
	if err != nil {
		return x.readError(s, g, err)
	}
	a, err := x.describe(s, w, op.Overrides)
	if err != nil {
		return x.readError(s, g, err)
	}
	x.announce(s, a)
	return nil
}

func (x *exchange) reader(g policy.Grant) (reader, error) {
	b, ok := x.snap.Buckets[g.Bucket()]
	if !ok {
		return reader{}, s3api.NoSuchBucket(g.Bucket())
	}
	if x.snap.Keys == nil {
		return reader{}, s3api.ServiceUnavailable("the keys are not available yet; try again")
	}
	return reader{x: x, bucket: g.Bucket(), store: b.Store}, nil
}

// describe checks the conditions and gives the answer that the object has.
func (x *exchange) describe(s *source, w want, override s3api.Headers) (s3api.ObjectAnswer, error) {
	attr := s.object.Attr()
	a := s3api.ObjectAnswer{
		Size: s.object.PlainSize(), Range: s.rng, ETag: s3api.ETag(s.stored.ETag), Modified: s.stored.LastModified,
		Headers: headersOf(attr), Override: override, Meta: metaOf(attr), VersionID: s.stored.VersionID, Lock: wireLock(s.stored.Lock),
	}
	if err := w.cond.CheckRead(a.ETag, a.Modified); err != nil {
		s3api.SetValidators(x.w.Header(), a.ETag, a.Modified) // 304 keeps them
		return a, err
	}
	var err error
	if a.Off, a.Len, err = s.span(); err != nil {
		return a, err
	}
	part := s.rng.Part()
	if part > 0 && s.object.Multipart() {
		a.PartsCount = len(s.manifest.Parts)
	}
	switch {
	case !w.checksums:
	case a.PartsCount > 0:
		a.Checksum = partChecksum(s.manifest, part)
	default:
		a.Checksum = checksumOf(s)
	}
	return a, nil
}

// announce sets the headers of an object's answer and sends its status line,
// once. Until then an error can still be answered as one, and carries nothing
// of the object.
func (x *exchange) announce(s *source, a s3api.ObjectAnswer) {
	if x.w.status != 0 {
		return
	}
	h := x.w.Header()
	s3api.SetObjectHeaders(h, a)
	h.Set("X-Sealgate-Object", s.object.ObjectID().String())
	x.w.WriteHeader(a.Status())
}

// stream sends verified plaintext. The first segment is verified before the
// status line; what fails later cuts the connection.
func (x *exchange) stream(s *source, r *envelope.Reader, a s3api.ObjectAnswer) error {
	to := &sender{x: x, source: s, answer: a}
	if a.Len <= smallAnswer {
		x.c.gather()
		defer x.w.sendGathered(x.c)
	}
	_, err := io.Copy(to, r)
	x.outcome.BytesSent = to.sent
	x.g.config.Metrics.sent.Add(float64(to.sent))
	if err == nil && to.sent != a.Len { // an early end must not be taken for a good one
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return err
	}
	x.announce(s, a) // an empty object was verified too, but had no first byte
	return nil
}

// sender is where verified plaintext goes. It notes how far a long read came,
// so that a crash leaves a bound on what was disclosed.
type sender struct {
	x      *exchange
	source *source
	answer s3api.ObjectAnswer
	sent   int64

	noted     int64     // sent at the last note
	lastNoted time.Time // zero until the first byte
}

func (to *sender) Write(b []byte) (int, error) {
	to.x.announce(to.source, to.answer)
	n, err := to.x.w.Write(b)
	to.sent += int64(n)
	to.note(time.Now())
	return n, err
}

func (to *sender) note(now time.Time) {
	if to.lastNoted.IsZero() {
		to.lastNoted = now
	}
	if to.sent-to.noted >= progressBytes || now.Sub(to.lastNoted) >= progressTime {
		to.noted, to.lastNoted = to.sent, now
		to.x.pending.Progress(to.sent)
	}
}

// readError hides from who may not list whether a key exists, and tells the
// size to who asked for a range outside of it.
func (x *exchange) readError(s *source, g policy.Grant, err error) error {
	if e := asS3(err); e != nil && e.Status == http.StatusRequestedRangeNotSatisfiable && s != nil {
		x.w.Header().Set("Content-Range", fmt.Sprintf("bytes */%d", s.object.PlainSize()))
	}
	return x.missing(g, x.doing(), err)
}

// missing hides a key or version that is not there from who may not list it.
func (x *exchange) missing(g policy.Grant, doing string, err error) error {
	if !isNotFound(err) {
		return err
	}
	q := policy.Query{Verb: policy.VerbList, Bucket: g.Bucket(), Key: g.Key(), Now: x.start}
	if !x.who.Decide(q).Allowed() {
		x.outcome.Error = "no such key, which the caller may not know"
		return x.accessDenied(policy.NoGrant, doing)
	}
	if e, ok := errors.AsType[*noVersionError](err); ok {
		return s3api.NoSuchVersion(g.Key(), e.version)
	}
	return s3api.NoSuchKey(g.Key())
}

// detached gives a context for work that goes on when the client is gone.
func (x *exchange) detached() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(x.r.Context()), outcomeTimeout)
}
