// SPDX-License-Identifier: Apache-2.0

package s3_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway/store"
)

// An answer about another version than was asked for is none.
func TestAnotherVersion(t *testing.T) {
	t.Parallel()
	for answered, want := range map[string]error{"v1": nil, "v2": store.ErrUnavailable, "": store.ErrUnavailable, "null": store.ErrUnavailable} {
		_, s := newFake(t, func(w http.ResponseWriter, r *http.Request) {
			describeObject(w.Header())
			w.Header().Set("X-Amz-Version-Id", answered)
			w.Header().Set("Content-Length", "4")
			if r.Method == http.MethodGet {
				_, _ = io.WriteString(w, "body")
			}
		}, nil)
		head, err := s.HeadVersion(t.Context(), "k", "v1")
		if !errors.Is(err, want) || err == nil && head.VersionID != "v1" {
			t.Errorf("HeadVersion answered with %q: %+v, %v", answered, head, err)
		}
		r, err := s.GetVersion(t.Context(), "k", "v1", store.Whole())
		if !errors.Is(err, want) {
			t.Errorf("GetVersion answered with %q: %v", answered, err)
		}
		if err == nil {
			_ = r.Close()
		}
	}
}

// What no backend can have named a version is asked of none.
func TestVersionNames(t *testing.T) {
	t.Parallel()
	f, s := newFake(t, func(w http.ResponseWriter, _ *http.Request) { describeObject(w.Header()) }, nil)
	for _, version := range []string{"a b", "a\r\nb", "\x00", "\u00e9", strings.Repeat("v", 2000)} {
		_, err := s.HeadVersion(t.Context(), "k", version)
		_, gerr := s.GetVersion(t.Context(), "k", version, store.Whole())
		_, terr := s.Tags(t.Context(), "k", version)
		serr := s.SetTags(t.Context(), "k", version, nil)
		_, cerr := s.Copy(t.Context(), "dst", "k", store.CopyOptions{SourceETag: "x", SourceVersion: version})
		for what, err := range map[string]error{"HeadVersion": err, "GetVersion": gerr, "Tags": terr, "SetTags": serr, "Copy": cerr} {
			if !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s(%.10q): %v", what, version, err)
			}
		}
		if d, err := s.DeleteVersion(t.Context(), "k", version); err != nil || d != (store.Deleted{}) {
			t.Errorf("DeleteVersion(%.10q): %+v, %v", version, d, err)
		}
	}
	for _, m := range []string{"GET", "HEAD", "PUT", "DELETE"} {
		if n := f.calls(m); n > 0 {
			t.Errorf("%d requests %s", n, m)
		}
	}
}

// A listing of versions with what was not asked for is not passed on.
func TestWrongVersionListings(t *testing.T) {
	t.Parallel()
	entry := func(key, version string) string {
		return "<Version><Key>" + key + "</Key><VersionId>" + version + `</VersionId><IsLatest>true</IsLatest><ETag>"e"</ETag><Size>1</Size>` +
			"<LastModified>2026-01-02T03:04:05Z</LastModified></Version>"
	}
	list := func(t *testing.T, inner string) (store.VersionPage, error) {
		t.Helper()
		_, s := newFake(t, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "<ListVersionsResult><Name>b</Name>"+inner+"</ListVersionsResult>")
		}, nil)
		return s.ListVersions(t.Context(), store.VersionListOptions{Prefix: "p/", Delimiter: "/", Max: 3})
	}
	marker := "<DeleteMarker><Key>p/1</Key><VersionId>m</VersionId></DeleteMarker>"
	page, err := list(t, entry("p/2", "a")+entry("p/1", "b")+marker+entry("p/1", "c")+"<CommonPrefixes><Prefix>p/x/</Prefix></CommonPrefixes>")
	if err != nil || !page.More || len(page.Versions) != 3 || page.NextKey != "p/1" || page.NextVersion != "c" || !page.Versions[1].Marker {
		t.Errorf("a right listing: %+v, %v", page, err)
	}
	for name, inner := range map[string]string{
		"another prefix": entry("q/1", "v"),
		"not grouped":    entry("p/1/2", "v"),
		"grouped wrong":  "<CommonPrefixes><Prefix>p/1</Prefix></CommonPrefixes>",
		"negative size":  strings.ReplaceAll(entry("p/1", "v"), "<Size>1", "<Size>-1"),
		"no version":     entry("p/1", "a b"),
		"no ETag":        strings.ReplaceAll(entry("p/1", "v"), `<ETag>"e"</ETag>`, ""),
		"no XML":         "<",
		"bad escape":     "<EncodingType>url</EncodingType>" + entry("p/%zz", "v"),
		"no way on":      "<IsTruncated>true</IsTruncated>",
		"in a circle":    "<IsTruncated>true</IsTruncated><NextKeyMarker>p/1</NextKeyMarker><NextVersionIdMarker>v</NextVersionIdMarker>",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if page, err := list(t, inner); !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("ListVersions = %+v, %v", page, err)
			}
		})
	}
}

// Tags that no object can have are the backend's fault; of other alphabets than
// ours they are sent, and the backend decides.
func TestTagsOfABackend(t *testing.T) {
	t.Parallel()
	var sent string
	answer := "<Tagging><TagSet><Tag><Key>b</Key><Value>\u00e9</Value></Tag><Tag><Key>a</Key><Value></Value></Tag></TagSet></Tagging>"
	_, s := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			b, _ := io.ReadAll(r.Body)
			sent = string(b)
			return
		}
		_, _ = io.WriteString(w, answer)
	}, nil)
	tags, err := s.Tags(t.Context(), "k", "")
	if err != nil || len(tags) != 2 || tags[0].Key != "a" || tags[1] != (store.Tag{Key: "b", Value: "\u00e9"}) {
		t.Errorf("Tags = %v, %v", tags, err)
	}
	if err := s.SetTags(t.Context(), "k", "", tags); err != nil {
		t.Error(err)
	}
	if want := "<Tagging><TagSet><Tag><Key>a</Key><Value></Value></Tag><Tag><Key>b</Key><Value>\u00e9</Value></Tag></TagSet></Tagging>"; sent != want {
		t.Errorf("sent %s", sent)
	}
	answer = "<Tagging><TagSet><Tag><Key>a</Key></Tag><Tag><Key>a</Key></Tag></TagSet></Tagging>"
	if tags, err := s.Tags(t.Context(), "k", ""); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("a tag twice: %v, %v", tags, err)
	}
}

// A bucket whose backend does not know versions keeps none; a state that there
// is not is an error.
func TestVersioningOfABackend(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]struct {
		status string
		err    error
	}{
		"": {"", nil}, "<Status>Enabled</Status>": {"Enabled", nil}, "<Status>Suspended</Status>": {"Suspended", nil},
		"<Status>Perhaps</Status>": {"", store.ErrUnavailable},
	} {
		_, s := newFake(t, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "<VersioningConfiguration>"+body+"</VersioningConfiguration>")
		}, nil)
		if status, err := s.Versioning(t.Context()); status != want.status || !errors.Is(err, want.err) {
			t.Errorf("%s: %q, %v", body, status, err)
		}
	}
	_, s := newFake(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, 501, "NotImplemented") }, nil)
	if status, err := s.Versioning(t.Context()); status != "" || err != nil {
		t.Errorf("not implemented: %q, %v", status, err)
	}
	_, s = newFake(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, 503, "SlowDown") }, nil)
	if status, err := s.Versioning(t.Context()); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("busy: %q, %v", status, err)
	}
}
