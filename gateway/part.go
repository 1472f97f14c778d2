// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net/http"

	"github.com/sealgate/sealgate/envelope"
	"github.com/sealgate/sealgate/gateway/policy"
	"github.com/sealgate/sealgate/gateway/s3api"
	"github.com/sealgate/sealgate/gateway/state"
	"github.com/sealgate/sealgate/gateway/store"
)

// stagingPrefix is where parts wait that can only be the last of their object
// (S3.md, "Multipart uploads").
const stagingPrefix = store.Reserved + "staging/"

// partLimit is the most plaintext bytes of a part. The last number of all
// leaves no number for the tail, which is appended to it.
func partLimit(number int) int64 {
	if number == store.MaxParts {
		return envelope.MaxMergedPartSize
	}
	return envelope.MaxPartSize
}

// mustStage says whether a part waits beside the upload. One that is too small
// to be followed by the tail can only be the last one, and so can the last
// number.
func mustStage(number int, stored int64) bool {
	return stored < store.MinPart || number == store.MaxParts
}

func (x *exchange) uploadPart(op *s3api.UploadPart, g policy.Grant) error {
	u, err := x.openUpload(g, op.UploadID)
	if err != nil {
		return err
	}
	if err := u.takes(op.Algorithm()); err != nil {
		return err
	}
	if limit := partLimit(op.Number); op.Size > limit {
		return partTooLarge(op.Number, op.Size, limit)
	}
	x.event.BytesPlanned, x.event.Detail = op.Size, partDetail(op.Number)
	if err := x.begin(); err != nil {
		return err
	}
	body := op.Body(x.body)
	sent := op.Algorithm()
	w, err := x.writePart(u, op.Number, op.Size, bodyPlain(body, sent, u.algorithm(sent)))
	if err != nil {
		return err
	}
	x.outcome.ObjectDigest = x.digest(body.Sums())
	return x.partStored(w)
}

// partStored acknowledges a part that came from the client.
func (x *exchange) partStored(w writtenPart) error {
	x.outcome.Status, x.outcome.BytesReceived = http.StatusOK, w.receipt.Part.Size
	x.g.config.Metrics.received.Add(float64(w.receipt.Part.Size))
	if err := x.end(); err != nil {
		return x.unrecorded(err)
	}
	h := x.w.Header()
	h.Set("X-Sealgate-Object", x.event.Object)
	s3api.SetPartHeaders(h, s3api.ETag(w.etag), w.checksum())
	x.w.WriteHeader(http.StatusOK)
	return nil
}

// takes says whether parts with a checksum of this algorithm belong to the
// upload, as S3 does: one that was begun with an algorithm takes no other, and
// without a checksum only where it can be computed for the client.
func (u *upload) takes(a s3api.Algorithm) error {
	want := u.row.Algorithm
	if want == "" || a.String() == want || a == s3api.ChecksumNone && u.row.ChecksumType == s3api.FullObject.String() {
		return nil
	}
	got := a.String()
	if got == "" {
		got = "null"
	}
	return s3api.InvalidRequest("Checksum Type mismatch occurred, expected checksum Type: " + want + ", actual checksum Type: " + got)
}

// algorithm is that of the sums which the upload keeps of a part that came
// with a checksum of algorithm sent.
func (u *upload) algorithm(sent s3api.Algorithm) s3api.Algorithm {
	if a := algorithmNamed(u.row.Algorithm); a != s3api.ChecksumNone {
		return a
	}
	return sent
}

func algorithmNamed(name string) s3api.Algorithm {
	for a := s3api.ChecksumCRC32; a <= s3api.ChecksumSHA256; a++ {
		if a.String() == name {
			return a
		}
	}
	return s3api.ChecksumNone
}

// partPlain is the plaintext of a part on its way, with the sums that its
// receipt keeps.
type partPlain struct {
	io.Reader
	algorithm s3api.Algorithm
	sums      func() (crc64 [8]byte, client []byte) // after io.EOF
}

// bodyPlain is the plaintext that a client sends. Its body is summed already,
// by the algorithm of the checksum that came with it.
func bodyPlain(body *s3api.Body, sent, want s3api.Algorithm) *partPlain {
	p := &partPlain{Reader: body, algorithm: want}
	p.sums = func() ([8]byte, []byte) {
		s := body.Sums()
		return s.CRC64NVME, s.Client.Sum
	}
	if want != sent {
		h := want.New()
		p.Reader = io.TeeReader(body, h)
		p.sums = func() ([8]byte, []byte) { return body.Sums().CRC64NVME, h.Sum(nil) }
	}
	return p
}

// copyPlain is plaintext that nobody has summed.
func copyPlain(r io.Reader, a s3api.Algorithm) *partPlain {
	crc64, client := s3api.ChecksumCRC64NVME.New(), a.New()
	p := &partPlain{Reader: io.TeeReader(r, crc64), algorithm: a}
	if client != nil {
		p.Reader = io.TeeReader(p.Reader, client)
	}
	p.sums = func() ([8]byte, []byte) {
		if client == nil {
			return [8]byte(crc64.Sum(nil)), nil
		}
		return [8]byte(crc64.Sum(nil)), client.Sum(nil)
	}
	return p
}

// receipt is what is known of an attempt once its plaintext was read whole.
func (p *partPlain) receipt(part envelope.Part) envelope.Receipt {
	r := envelope.Receipt{Part: part, Algorithm: envelope.ChecksumAlgorithm(p.algorithm)}
	r.CRC64NVME, r.Part.Checksum = p.sums()
	return r
}

// writtenPart is a part that the store has, with its receipt.
type writtenPart struct {
	etag    string // the store's
	receipt envelope.Receipt
}

func (w writtenPart) checksum() s3api.Checksum {
	return s3api.Checksum{Algorithm: s3api.Algorithm(w.receipt.Algorithm), Sum: w.receipt.Part.Checksum}
}

// writePart seals one attempt to write a part, under a key of its own, gives it
// to the store and notes its receipt.
func (x *exchange) writePart(u *upload, number int, size int64, plain *partPlain) (writtenPart, error) {
	attempt, err := u.sealer.SealPart(number, size)
	if err != nil {
		return writtenPart{}, err
	}
	ctx, staged := x.r.Context(), ""
	if mustStage(number, attempt.StoredSize()) {
		staged = stagingPrefix + rand.Text()
	}
	etag, err := x.sendPart(ctx, u, number, staged, attempt, plain)
	if err != nil {
		x.dropPart(u, staged, err)
		return writtenPart{}, x.uploadError(u.row.ID, err)
	}
	w := writtenPart{etag: etag, receipt: plain.receipt(attempt.Part())}
	sealed, err := u.sealer.SealReceipt(w.receipt, u.row.ID, etag)
	if err == nil {
		err = x.g.config.State.AddReceipt(ctx, state.Receipt{Upload: u.row.ID, Number: number, ETag: etag, Staged: staged, Sealed: sealed})
	}
	if err != nil {
		x.dropPart(u, staged, err)
		return writtenPart{}, x.uploadError(u.row.ID, err)
	}
	return w, nil
}

// sendPart streams a sealed part to where it belongs. The database hears of it
// before the store does.
func (x *exchange) sendPart(ctx context.Context, u *upload, number int, staged string, attempt *envelope.PartSealer, plain io.Reader) (string, error) {
	db := x.g.config.State
	if staged == "" {
		if err := db.IssuePart(ctx, u.row.ID, number); err != nil {
			return "", err
		}
		return u.store.PutPart(ctx, u.row.Key, u.row.Backend, number, attempt.Reader(plain), attempt.StoredSize())
	}
	if err := db.AddStaged(ctx, u.row.Bucket, staged, u.row.ID); err != nil {
		return "", err
	}
	o, err := u.store.Put(ctx, staged, attempt.Reader(plain), store.PutOptions{Size: attempt.StoredSize()})
	return o.ETag, err
}

// dropPart removes what a part left behind that nobody was promised. What may
// have come about even so, its answer lost, the reaper finds by its row: it is
// not forgotten here, nor is it taken away from who may see it already.
func (x *exchange) dropPart(u *upload, staged string, why error) {
	ctx, cancel := x.detached()
	defer cancel()
	db := x.g.config.State
	refused := errors.Is(why, state.ErrConflict) || errors.Is(why, state.ErrNotFound)
	switch {
	case staged != "" && (refused || asS3(why) != nil):
		if u.store.Delete(ctx, staged) == nil {
			_ = db.ForgetStaged(ctx, u.row.Bucket, staged) // the reaper does it
		}
	case staged == "" && refused:
		row, err := db.Upload(ctx, u.row.ID)
		if errors.Is(err, state.ErrNotFound) || err == nil && row.State == state.UploadAborting {
			_ = u.store.AbortMultipart(ctx, u.row.Key, u.row.Backend) // the store may have taken the part in after its upload had gone
		}
	}
}
