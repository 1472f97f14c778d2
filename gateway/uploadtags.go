// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"net/url"
	"strings"

	"github.com/sealgate/sealgate/gateway/s3api"
	"github.com/sealgate/sealgate/gateway/store"
)

// encodeTags writes tags as x-amz-tagging does; the order is that of the keys.
func encodeTags(tags []s3api.Tag) string {
	var parts []string
	for _, t := range tags {
		parts = append(parts, url.QueryEscape(t.Key)+"="+url.QueryEscape(t.Value))
	}
	return strings.Join(parts, "&")
}

func decodeTags(encoded string) []s3api.Tag {
	var tags []s3api.Tag
	for part := range strings.SplitSeq(encoded, "&") {
		k, v, _ := strings.Cut(part, "=")
		key, kerr := url.QueryUnescape(k)
		value, verr := url.QueryUnescape(v)
		if kerr == nil && verr == nil && key != "" {
			tags = append(tags, s3api.Tag{Key: key, Value: value})
		}
	}
	return tags
}

// tagObject gives a completed object, this version of it, the tags that its
// upload was created with.
func (x *exchange) tagObject(ctx context.Context, u *upload, version string) {
	t, ok := u.store.(store.Tagger)
	if !ok || u.row.Tags == "" {
		return
	}
	if err := t.SetTags(ctx, u.row.Key, version, storeTags(decodeTags(u.row.Tags))); err != nil {
		x.outcome.Error = "the object has no tags: " + err.Error()
	}
}
