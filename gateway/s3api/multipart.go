// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"net/http"
	"strconv"
	"strings"
)

// maxUploadID bounds an upload id, in bytes. Ours are shorter.
const maxUploadID = 4096

// uploadID reads the upload that the query names. One that no upload can have
// is answered like any other that is not there.
func (r *request) uploadID() (string, *Error) {
	id := r.query["uploadId"]
	if id == "" || len(id) > maxUploadID {
		return "", NoSuchUpload(id)
	}
	return id, nil
}

func (r *request) partNumber() (int, *Error) {
	v := r.query["partNumber"]
	n, err := strconv.Atoi(v)
	if err != nil || !isDecimal(v) || n < 1 || n > MaxParts {
		return 0, InvalidArgument("partNumber", v, badPartNumber)
	}
	return n, nil
}

// wantedAlgorithm reads x-amz-checksum-algorithm; ChecksumNone when it was not
// sent.
func (r *request) wantedAlgorithm() (Algorithm, *Error) {
	const name = "x-amz-checksum-algorithm"
	if !r.header.has(name) {
		return ChecksumNone, nil
	}
	a, ok := algorithmOf(r.header.get(name))
	if !ok {
		return ChecksumNone, InvalidRequest("Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]")
	}
	return a, nil
}

// checksumType reads x-amz-checksum-type; ChecksumTypeNone when it was not
// sent.
func (r *request) checksumType() (ChecksumType, *Error) {
	const name = "x-amz-checksum-type"
	if !r.header.has(name) {
		return ChecksumTypeNone, nil
	}
	for _, t := range []ChecksumType{FullObject, Composite} {
		if strings.EqualFold(r.header.get(name), t.String()) {
			return t, nil
		}
	}
	return ChecksumTypeNone, invalidHeader(name)
}

// invalidHeader is what S3 says of a checksum header that it cannot read.
func invalidHeader(name string) *Error {
	return InvalidRequest("Value for " + name + " header is invalid.")
}

// typeFor gives the checksum type of an upload (S3.md, "Checksums of
// multipart objects"): which types an algorithm can have, and which it has
// when the client does not say.
func typeFor(a Algorithm, said ChecksumType) (ChecksumType, *Error) {
	if a == ChecksumNone {
		if said != ChecksumTypeNone {
			return 0, InvalidRequest("The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.")
		}
		return ChecksumTypeNone, nil
	}
	if said == ChecksumTypeNone {
		if a == ChecksumCRC64NVME {
			return FullObject, nil
		}
		return Composite, nil
	}
	whole := a == ChecksumCRC32 || a == ChecksumCRC32C || a == ChecksumCRC64NVME
	if said == FullObject && !whole || said == Composite && a == ChecksumCRC64NVME {
		return 0, InvalidRequest("The " + said.String() + " checksum type cannot be used with the " + strings.ToLower(a.String()) + " checksum algorithm.")
	}
	return said, nil
}

func parseCreateMultipartUpload(r *request) (Op, *Error) {
	op := &CreateMultipartUpload{Bucket: r.target.Bucket, Key: r.target.Key}
	var err *Error
	if op.IfNoneMatch, op.IfMatch, err = r.writeConditions(); err != nil {
		return nil, err
	}
	if op.Headers, op.Meta, err = r.metadata(); err != nil {
		return nil, err
	}
	if op.Tags, err = r.taggingHeader(); err != nil {
		return nil, err
	}
	if op.Lock, err = r.lock(); err != nil {
		return nil, err
	}
	if op.Algorithm, err = r.wantedAlgorithm(); err != nil {
		return nil, err
	}
	said, err := r.checksumType()
	if err != nil {
		return nil, err
	}
	if op.ChecksumType, err = typeFor(op.Algorithm, said); err != nil {
		return nil, err
	}
	return op, nil
}

func parseUploadPart(r *request) (Op, *Error) {
	op := &UploadPart{Bucket: r.target.Bucket, Key: r.target.Key}
	var err *Error
	if op.UploadID, err = r.uploadID(); err != nil {
		return nil, err
	}
	if op.Number, err = r.partNumber(); err != nil {
		return nil, err
	}
	if op.payload, err = r.readPayload(); err != nil {
		return nil, err
	}
	op.Size, op.Checksum = op.payload.size, op.payload.checksum
	return op, nil
}

func parseUploadPartCopy(r *request) (Op, *Error) {
	op := &UploadPartCopy{Bucket: r.target.Bucket, Key: r.target.Key}
	var err *Error
	if op.UploadID, err = r.uploadID(); err != nil {
		return nil, err
	}
	if op.Number, err = r.partNumber(); err != nil {
		return nil, err
	}
	if op.Source, err = r.readCopySource(); err != nil {
		return nil, err
	}
	if op.Off, op.Len, err = r.copyRange(); err != nil {
		return nil, err
	}
	return op, nil
}

// ifInitiated is S3's condition of an abort.
const ifInitiated = "x-amz-if-match-initiated-time"

func parseAbortMultipartUpload(r *request) (Op, *Error) {
	op := &AbortMultipartUpload{Bucket: r.target.Bucket, Key: r.target.Key}
	var err *Error
	if op.UploadID, err = r.uploadID(); err != nil {
		return nil, err
	}
	if !r.header.has(ifInitiated) {
		return op, nil
	}
	at, bad := http.ParseTime(r.header.get(ifInitiated))
	if bad != nil {
		return nil, InvalidArgument(ifInitiated, r.header.get(ifInitiated), ifInitiated+" is not a date")
	}
	op.IfInitiated = at
	return op, nil
}

func parseListParts(r *request) (Op, *Error) {
	op := &ListParts{Bucket: r.target.Bucket, Key: r.target.Key}
	var err *Error
	if op.UploadID, err = r.uploadID(); err != nil {
		return nil, err
	}
	if op.Max, err = r.query.limit("max-parts", MaxListKeys); err != nil {
		return nil, err
	}
	if op.After, err = r.query.number("part-number-marker"); err != nil {
		return nil, err
	}
	op.EncodingURL, err = r.encodingURL()
	return op, err
}

func parseListMultipartUploads(r *request) (Op, *Error) {
	op := &ListMultipartUploads{
		Bucket: r.target.Bucket, Prefix: r.query["prefix"], Delimiter: r.query["delimiter"],
		KeyMarker: r.query["key-marker"], UploadIDMarker: r.query["upload-id-marker"],
	}
	var err *Error
	if err = r.listNames("prefix", "delimiter", "key-marker"); err != nil {
		return nil, err
	}
	if len(op.UploadIDMarker) > maxUploadID {
		return nil, InvalidArgument("upload-id-marker", "", "Invalid uploadId marker")
	}
	if op.KeyMarker == "" {
		op.UploadIDMarker = "" // as S3 does: it goes on within a key
	}
	if op.Max, err = r.query.limit("max-uploads", MaxListKeys); err != nil {
		return nil, err
	}
	op.EncodingURL, err = r.encodingURL()
	return op, err
}
