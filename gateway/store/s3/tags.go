// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"cmp"
	"context"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/sealgate/sealgate/gateway/store"
)

// tagging is the document of an object's tags.
type tagging struct {
	XMLName xml.Name    `xml:"Tagging"`
	Tags    []store.Tag `xml:"TagSet>Tag"`
}

// Tags implements store.Tagger.
func (s *Store) Tags(ctx context.Context, key, version string) ([]store.Tag, error) {
	var answer tagging
	err := s.askTags(ctx, "reading the tags of", http.MethodGet, key, version, nil, &answer)
	if err != nil {
		return nil, err
	}
	if err := store.CheckTags(answer.Tags); err != nil {
		return nil, fmt.Errorf("reading the tags of %q: %w", key, wrongAnswer("tags that are none"))
	}
	slices.SortFunc(answer.Tags, func(a, b store.Tag) int { return cmp.Compare(a.Key, b.Key) })
	return answer.Tags, nil
}

// SetTags implements store.Tagger.
func (s *Store) SetTags(ctx context.Context, key, version string, tags []store.Tag) error {
	if err := store.CheckTags(tags); err != nil {
		return fmt.Errorf("setting the tags of %q: %w", key, err)
	}
	if len(tags) == 0 {
		return s.askTags(ctx, "removing the tags of", http.MethodDelete, key, version, nil, nil)
	}
	body, err := xml.Marshal(tagging{Tags: tags})
	if err != nil {
		return fmt.Errorf("setting the tags of %q: %w", key, err)
	}
	return s.askTags(ctx, "setting the tags of", http.MethodPut, key, version, body, nil)
}

// askTags makes a request about the tags of an object. All of them can be made
// again.
func (s *Store) askTags(ctx context.Context, what, method, key, version string, body []byte, answer any) error {
	if err := checkVersion(version); err != nil {
		return fmt.Errorf("%s %q: %w", what, key, err)
	}
	q := url.Values{"tagging": {""}}
	if version != "" {
		q.Set("versionId", version)
	}
	return s.retry(ctx, what, key, func(ctx context.Context) error {
		return ofVersion(s.ask(ctx, call{method: method, key: key, query: q, body: body}, answer), version)
	})
}

// tagQuery encodes tags as the header of a write has them.
func tagQuery(tags []store.Tag) string {
	q := url.Values{}
	for _, t := range tags {
		q.Set(t.Key, t.Value)
	}
	return strings.ReplaceAll(q.Encode(), "+", "%20")
}
