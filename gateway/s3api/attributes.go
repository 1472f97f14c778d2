// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"strconv"
	"strings"
)

func parseGetObjectAttributes(r *request) (Op, *Error) {
	const name = "x-amz-object-attributes"
	op := &GetObjectAttributes{Bucket: r.target.Bucket, Key: r.target.Key, MaxParts: MaxListKeys}
	var err *Error
	if op.VersionID, err = r.versionID(); err != nil {
		return nil, err
	}
	if r.header.get(name) == "" {
		return nil, InvalidRequest("The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty")
	}
	asked := map[string]*bool{
		"ETag": &op.ETag, "Checksum": &op.Checksum, "ObjectParts": &op.Parts, "ObjectSize": &op.Size, "StorageClass": &op.StorageClass,
	}
	for item := range strings.SplitSeq(r.header.get(name), ",") {
		item = strings.Trim(item, " \t")
		field, ok := asked[item]
		if !ok {
			return nil, InvalidArgument(name, item, "Invalid attribute name specified.")
		}
		*field = true
	}
	if op.MaxParts, err = r.headerNumber("x-amz-max-parts", MaxListKeys); err != nil {
		return nil, err
	}
	op.MaxParts = min(op.MaxParts, MaxListKeys)
	if op.After, err = r.headerNumber("x-amz-part-number-marker", 0); err != nil {
		return nil, err
	}
	return op, nil
}

// headerNumber reads a number from 0 to 2147483647 out of a header.
func (r *request) headerNumber(name string, absent int) (int, *Error) {
	if !r.header.has(name) {
		return absent, nil
	}
	v := r.header.get(name)
	n, err := strconv.ParseInt(v, 10, 32)
	if err != nil || !isDecimal(v) {
		return 0, InvalidArgument(name, v, "Argument "+v+" must be an integer between 0 and 2147483647")
	}
	return int(n), nil
}

func parseListObjectVersions(r *request) (Op, *Error) {
	op := &ListObjectVersions{
		Bucket: r.target.Bucket, Prefix: r.query["prefix"], Delimiter: r.query["delimiter"],
		KeyMarker: r.query["key-marker"], VersionMarker: r.query["version-id-marker"],
	}
	var err *Error
	if err = r.listNames("prefix", "delimiter", "key-marker"); err != nil {
		return nil, err
	}
	if op.VersionMarker != "" {
		if op.KeyMarker == "" {
			return nil, InvalidArgument("version-id-marker", op.VersionMarker, "A version-id marker cannot be specified without a key marker.")
		}
		if err = checkVersion("version-id-marker", op.VersionMarker); err != nil {
			return nil, err
		}
	}
	if op.Max, err = r.query.limit("max-keys", MaxListKeys); err != nil {
		return nil, err
	}
	op.EncodingURL, err = r.encodingURL()
	return op, err
}
