// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"errors"
	"strings"
	"testing"
)

func deleteDoc(inner ...string) string { return "<Delete>" + strings.Join(inner, "") + "</Delete>" }

func object1(inner string) string { return "<Object>" + inner + "</Object>" }

// keysOf reads a list that must be accepted.
func keysOf(t *testing.T, doc string) []KeyVersion {
	t.Helper()
	got, err := readBody(t, "Delete", doc)
	keys, ok := got.([]KeyVersion)
	if err != nil || !ok {
		t.Fatalf("%s: %v, %v", doc, got, err)
	}
	return keys
}

func TestKeys(t *testing.T) {
	t.Parallel()
	keys := keysOf(t, deleteDoc(
		object1("<Key>a/b</Key>"), object1("<Key>a b+%2F&lt;ü&#x20;</Key><VersionId>v1</VersionId>"), object1("<Key>a/b</Key>"),
		object1("<VersionId></VersionId><Key> x</Key>"), object1("<Key>.sealgate/keys</Key>"), object1("<Key><![CDATA[<c>]]></Key>")))
	want := []KeyVersion{
		{Key: "a/b"}, {Key: "a b+%2F<ü ", VersionID: "v1"}, {Key: "a/b"}, {Key: " x"}, {Key: ".sealgate/keys"}, {Key: "<c>"},
	}
	for i, k := range keys {
		if k != want[i] {
			t.Errorf("key %d is %+v, want %+v", i, k, want[i])
		}
	}
	if !keys[4].Resource("models").Reserved() {
		t.Error("a reserved key of a batch is not seen to be one")
	}
	for quiet, want := range map[string]any{"": nil, "<Quiet>false</Quiet>": nil, "<Quiet>true</Quiet>": "quiet"} {
		got, err := readBody(t, "Delete", deleteDoc(quiet, object1("<Key>a</Key>")))
		if _, isQuiet := got.(string); err != nil || isQuiet != (want != nil) {
			t.Errorf("%q: %v, %v", quiet, got, err)
		}
	}
}

// What is wrong with one key is its own error, and the others are read.
func TestBadKeysOfABatch(t *testing.T) {
	t.Parallel()
	for inner, code := range map[string]string{
		"<Key>a/../b</Key>":  "InvalidURI",
		"<Key>..</Key>":      "InvalidURI",
		"<Key>a&#13;b</Key>": "InvalidURI",
		"<Key>a&#x9;b</Key>": "InvalidURI",
		"<Key>" + strings.Repeat("k", 1025) + "</Key>":          "KeyTooLongError",
		"<Key>a</Key><VersionId>a b</VersionId>":                "InvalidArgument",
		"<Key>a</Key><ETag>\"x\"</ETag>":                        "NotImplemented",
		"<Key>a</Key><Size>1</Size>":                            "NotImplemented",
		"<Key>a</Key><LastModifiedTime>2026</LastModifiedTime>": "NotImplemented",
	} {
		keys := keysOf(t, deleteDoc(object1("<Key>good</Key>"), object1(inner), object1("<Key>good</Key>")))
		var e *Error
		if len(keys) != 3 || keys[0].Err != nil || keys[2].Err != nil || !errors.As(keys[1].Err, &e) || e.Code != code {
			t.Errorf("%s: %+v, want %s", inner, keys, code)
		}
	}
}

func TestBadBatches(t *testing.T) {
	t.Parallel()
	one := object1("<Key>a</Key>")
	for _, doc := range []string{
		deleteDoc(), deleteDoc("<Quiet>true</Quiet>"), deleteDoc(object1("")), deleteDoc(object1("<Key></Key>")), deleteDoc(object1("<Key/>")),
		deleteDoc(object1("<VersionId>1</VersionId>")), deleteDoc(object1("<Key>a</Key><Key>b</Key>")), deleteDoc(one, "<Quiet>yes</Quiet>"),
		deleteDoc(one, "<Quiet>true</Quiet><Quiet>false</Quiet>"), deleteDoc(object1("<Key>a</Key><VersionId>1</VersionId><VersionId>2</VersionId>")),
		deleteDoc(object1("<Key>a</Key><Of-tomorrow/>")), deleteDoc("<Key>a</Key>"), deleteDoc(strings.Repeat(one, MaxDelete+1)),
	} {
		if _, err := readBody(t, "Delete", doc); err == nil || !strings.HasPrefix(err.Error(), "MalformedXML:") {
			t.Errorf("%.200s: %v", doc, err)
		}
	}
	// As many as may be, with the longest keys there are.
	if keys := keysOf(t, deleteDoc(strings.Repeat(object1("<Key>"+strings.Repeat("k", MaxKey)+"</Key>"), MaxDelete))); len(keys) != MaxDelete {
		t.Errorf("%d keys", len(keys))
	}
}

// FuzzKeys holds the keys of a batch to the rules of paths: each key that may
// be touched is one that a path can name.
func FuzzKeys(f *testing.F) {
	for _, s := range []string{
		deleteDoc(object1("<Key>a</Key>")), deleteDoc("<Quiet>true</Quiet>", object1("<Key>a</Key><VersionId>v</VersionId>")),
		deleteDoc(object1("<Key>%2e%2e/a</Key>")), deleteDoc(object1("<Key>a&#0;</Key>")), deleteDoc(object1("<Key>../a</Key><ETag>x</ETag>")),
		"<Delete xmlns=\"x\">\n" + object1("<Key>a&amp;b</Key>") + "</Delete>\n",
	} {
		f.Add(s)
	}
	for _, body := range capturedBodies(f, "*_delete_objects.http") {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, doc string) {
		op := &DeleteObjects{Bucket: "models", body: xmlBody{payload{size: int64(len(doc))}}}
		keys, _, err := op.Keys(strings.NewReader(doc))
		if err != nil {
			if keys != nil {
				t.Fatalf("%q gave %v beside its error", doc, keys)
			}
			return
		}
		if len(keys) == 0 || len(keys) > MaxDelete {
			t.Fatalf("%q has %d keys", doc, len(keys))
		}
		for _, k := range keys {
			if k.Err != nil {
				continue
			}
			got, err := parsePath(k.Resource("models").Path(), "")
			if err != nil || got.Key != k.Key {
				t.Fatalf("%q: the key %q is read by a path as %+v, %v", doc, k.Key, got, err)
			}
		}
	})
}
