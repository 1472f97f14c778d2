// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"strings"

	"github.com/sealgate/sealgate/envelope"
	"github.com/sealgate/sealgate/gateway/policy"
	"github.com/sealgate/sealgate/gateway/s3api"
	"github.com/sealgate/sealgate/gateway/state"
)

func (x *exchange) listParts(op *s3api.ListParts, g policy.Grant) error {
	u, err := x.openUpload(g, op.UploadID)
	if err != nil {
		return err
	}
	if s := u.row.State; s != state.UploadOpen && s != state.UploadFrozen {
		return s3api.NoSuchUpload(op.UploadID)
	}
	if err := x.begin(); err != nil {
		return err
	}
	list := s3api.PartList{Algorithm: u.algorithm(s3api.ChecksumNone), ChecksumType: checksumTypeOf(u.row.ChecksumType)}
	var receipts []state.Receipt
	if op.Max > 0 {
		if receipts, list.More, err = x.g.config.State.Receipts(x.r.Context(), u.row.ID, op.After, op.Max); err != nil {
			return err
		}
	}
	for _, r := range receipts {
		p, err := u.openReceipt(r)
		if err != nil {
			return err
		}
		list.Parts = append(list.Parts, listedPart(p, r, list.Algorithm))
		list.Next = r.Number
	}
	x.outcome.Listed = int64(len(list.Parts))
	s3api.WriteParts(x.w, op, list)
	return nil
}

// listedPart tells of a part what its answer told. A sum is shown where all
// parts have one of the upload's algorithm.
func listedPart(p chosenPart, r state.Receipt, of s3api.Algorithm) s3api.PartListed {
	l := s3api.PartListed{Number: r.Number, Size: p.receipt.Part.Size, ETag: s3api.ETag(r.ETag), Modified: r.Created}
	if of != s3api.ChecksumNone && p.receipt.Algorithm == envelope.ChecksumAlgorithm(of) {
		l.Checksum = s3api.Checksum{Algorithm: of, Sum: p.receipt.Part.Checksum}
	}
	return l
}

func checksumTypeOf(name string) s3api.ChecksumType {
	for _, t := range []s3api.ChecksumType{s3api.FullObject, s3api.Composite} {
		if t.String() == name {
			return t
		}
	}
	return s3api.ChecksumTypeNone
}

// listUploads names the uploads of keys that the caller may list, also those
// that others began: their ids do nothing for the caller.
func (x *exchange) listUploads(op *s3api.ListMultipartUploads, g policy.Grant) error {
	if _, _, err := x.multiparter(g); err != nil {
		return err
	}
	if err := x.begin(); err != nil {
		return err
	}
	var list s3api.UploadList
	q := state.UploadQuery{Bucket: g.Bucket(), Prefix: op.Prefix, KeyMarker: op.KeyMarker, IDMarker: op.UploadIDMarker, Max: listPage}
	seen := map[string]bool{}
	for more := op.Max > 0; more; {
		var rows []state.Upload
		var err error
		if rows, more, err = x.g.config.State.Uploads(x.r.Context(), q); err != nil {
			return err
		}
		for _, row := range rows {
			q.KeyMarker, q.IDMarker = row.Key, row.ID
			if !x.mayList(g.Bucket(), row.Key) || !x.addUpload(&list, op, row, seen) {
				continue
			}
			if list.More {
				more = false
				break
			}
		}
	}
	x.outcome.Listed = int64(len(list.Uploads) + len(list.Prefixes))
	s3api.WriteUploads(x.w, op, list)
	return nil
}

func (x *exchange) mayList(bucket, key string) bool {
	return x.who.Decide(policy.Query{Verb: policy.VerbList, Bucket: bucket, Key: key, Now: x.start}).Allowed()
}

// addUpload adds a line to a page, or notes that it is full; false for a
// prefix that is there already.
func (*exchange) addUpload(list *s3api.UploadList, op *s3api.ListMultipartUploads, row state.Upload, seen map[string]bool) bool {
	prefix := rolledUp(row.Key, op.Prefix, op.Delimiter)
	// A page that ended with a prefix goes on behind all that it stands for.
	if prefix != "" && (seen[prefix] || op.UploadIDMarker == "" && strings.HasPrefix(op.KeyMarker, prefix)) {
		return false
	}
	if len(list.Uploads)+len(list.Prefixes) == op.Max {
		list.More = true
		return true
	}
	if prefix != "" {
		seen[prefix] = true
		list.Prefixes = append(list.Prefixes, prefix)
		list.NextKey, list.NextUploadID = prefix, ""
		return true
	}
	list.Uploads = append(list.Uploads, s3api.UploadListed{
		Key: row.Key, UploadID: row.ID, Initiated: row.Created, Algorithm: algorithmNamed(row.Algorithm),
		ChecksumType: checksumTypeOf(row.ChecksumType),
	})
	list.NextKey, list.NextUploadID = row.Key, row.ID
	return true
}

// rolledUp is the common prefix that a key is listed under, "" for none.
func rolledUp(key, prefix, delimiter string) string {
	rest, ok := strings.CutPrefix(key, prefix)
	if !ok || delimiter == "" {
		return ""
	}
	at := strings.Index(rest, delimiter)
	if at < 0 {
		return ""
	}
	return prefix + rest[:at+len(delimiter)]
}
