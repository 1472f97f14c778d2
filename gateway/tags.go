// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"net/http"

	"github.com/sealgate/sealgate/gateway/policy"
	"github.com/sealgate/sealgate/gateway/s3api"
	"github.com/sealgate/sealgate/gateway/store"
)

// Tags lie with the store as they are, in clear: it can read and change them.
// They are handed through for the people and tools that sort by them, and
// nothing here is decided by one (S3.md, "Tags").

func storeTags(tags []s3api.Tag) []store.Tag {
	out := make([]store.Tag, 0, len(tags))
	for _, t := range tags {
		out = append(out, store.Tag(t))
	}
	return out
}

// tagging gives the store of tags for a write that brings some: nil for none.
// Who may write and not tag is refused.
func (x *exchange) tagging(rd reader, g policy.Grant, tags []s3api.Tag) (store.Tagger, error) {
	if len(tags) == 0 {
		return nil, nil //nolint:nilnil // documented above
	}
	if err := x.maySetTags(g, tags); err != nil {
		return nil, err
	}
	return rd.taggable()
}

// tag sets the tags that came with a write which has been made. Should it fail
// the object is there without them; the client is told to try again.
func (x *exchange) tag(tagger store.Tagger, key, version string, tags []s3api.Tag) error {
	if tagger == nil {
		return nil
	}
	err := tagger.SetTags(x.r.Context(), key, version, storeTags(tags))
	if err != nil {
		x.outcome.Detail = map[string]string{"tags": "not set; the object was stored"}
	}
	return err
}

// tagged opens the object that tags are asked of or set on.
func (x *exchange) tagged(g policy.Grant, version string) (store.Tagger, *source, error) {
	return openAs(x, g, version, reader.taggable)
}

// openAs opens an object of a store that can do more, which able gives or
// refuses. What the gateway did not write is not there.
func openAs[T any](x *exchange, g policy.Grant, version string, able func(reader) (T, error)) (more T, s *source, err error) {
	rd, err := x.reader(g)
	if err != nil {
		return more, nil, err
	}
	if more, err = able(rd); err != nil {
		return more, nil, err
	}
	if rd.store, err = versioned(rd.store, version); err != nil {
		return more, nil, err
	}
	if err := x.begin(); err != nil {
		return more, nil, err
	}
	if s, err = rd.head(x.r.Context(), want{key: g.Key()}); err != nil {
		return more, nil, x.readError(s, g, err)
	}
	return more, s, nil
}

func (x *exchange) getTags(op *s3api.GetObjectTagging, g policy.Grant) error {
	tagger, s, err := x.tagged(g, op.VersionID)
	if err != nil {
		return err
	}
	tags, err := tagger.Tags(x.r.Context(), g.Key(), op.VersionID)
	if err != nil {
		return x.readError(s, g, err)
	}
	x.outcome.Listed = int64(len(tags))
	shown := make([]s3api.Tag, 0, len(tags))
	for _, t := range tags {
		shown = append(shown, s3api.Tag(t))
	}
	s3api.WriteTags(x.w, s.stored.VersionID, shown)
	return nil
}

func (x *exchange) putTags(op *s3api.PutObjectTagging, g policy.Grant) error {
	tags, err := op.Tags(x.body)
	if err != nil {
		return err
	}
	return x.setTags(g, op.VersionID, storeTags(tags), http.StatusOK)
}

func (x *exchange) deleteTags(op *s3api.DeleteObjectTagging, g policy.Grant) error {
	return x.setTags(g, op.VersionID, nil, http.StatusNoContent)
}

func (x *exchange) setTags(g policy.Grant, version string, tags []store.Tag, status int) error {
	tagger, s, err := x.tagged(g, version)
	if err != nil {
		return err
	}
	if err := tagger.SetTags(x.r.Context(), g.Key(), version, tags); err != nil {
		return x.readError(s, g, err)
	}
	x.outcome.Status = status
	if err := x.end(); err != nil {
		return x.unrecorded(err)
	}
	s3api.SetVersion(x.w.Header(), s.stored.VersionID)
	x.w.WriteHeader(status)
	return nil
}
