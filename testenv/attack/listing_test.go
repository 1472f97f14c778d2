// SPDX-License-Identifier: Apache-2.0

package attack

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/gateway/policy"
)

// treeKeys are many keys with denied subtrees in the middle, made from a seed.
func treeKeys() []string {
	r := rand.New(rand.NewPCG(7, 11))
	keys := map[string]bool{}
	for _, k := range []string{
		"top", "top/x", "a", "a/", "a/secret", "a/secret/", "a/secret/1", "a/secret/deep/2", "a/secret-not", "a/secretx/3", "a/z",
		"b/one", "b/two/three", "b-/x", "b-/y/z", "b", "ba/x", "c/x/1", "c/x/hidden", "c/x/hidden/below", "c/x", "c/y/1", "c-/x/2", "d/e/f/g/deep/1",
		"d/e/f/g/shallow", "d/e/f/h/deep/2/3", "d/e/g/g/deep/1", "z/1", "z/2", "zz/x/1", "/x/1", "//x/2", "e//x/1", "e/x//1", "caf\u00e9/x/1", "cafe\u0301/x/1",
		"\U0010FFFF/x/1", "a/\U0010FFFF", "a/\U0010FFFF/\U0010FFFF", "sp ace/x/1", "%/x/%2F", "a/b+c", "a/b c",
	} {
		keys[k] = true
	}
	segs := []string{"a", "b", "b-", "c", "d", "e", "f", "x", "secret", "deep", "hidden", "z", ""}
	for len(keys) < 260 {
		parts := make([]string, 1+r.IntN(5))
		for i := range parts {
			parts[i] = segs[r.IntN(len(segs))]
		}
		if k := strings.Join(parts, "/"); k != "" {
			keys[k] = true
		}
	}
	var out []string
	for k := range keys {
		out = append(out, k)
	}
	return sorted(out)
}

// rolledUp is a listing by brute force: everything that may be listed,
// filtered, cut at the delimiter.
func rolledUp(keys []string, may func(string) bool, prefix, delimiter, after string) []string {
	var out []string
	for _, k := range keys {
		rest, ok := strings.CutPrefix(k, prefix)
		if !ok || !may(k) {
			continue
		}
		name := k
		if delimiter != "" {
			if at := strings.Index(rest, delimiter); at >= 0 {
				name = prefix + rest[:at+len(delimiter)]
			}
		}
		if k <= after || strings.HasPrefix(after, name) && name != k {
			continue
		}
		out = append(out, name)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Listings over many keys hold exactly what may be listed, whatever the
// prefix, the delimiter and the size of the pages.
func TestListingsAreExact(t *testing.T) {
	t.Parallel()
	p, faults := policy.Parse("policy.yaml", []byte(policyText))
	if p == nil {
		t.Fatal(faults)
	}
	keys := treeKeys()
	c := client(t, shared, "/writer/listing")
	for _, k := range keys {
		if a := shared.Do(t, c, http.MethodPut, "/raw/"+escape(k), strings.NewReader(k), int64(len(k)), nil); a.Status != http.StatusOK {
			t.Fatalf("PUT %q: got %d %s", k, a.Status, a.Body)
		}
	}
	prefixes := []string{"", "a", "a/", "a/s", "a/secret", "a/secret/", "b", "b/", "b-", "c/", "c/x/", "c/x/h", "d/e/f/", "d/", "e/", "/", "//", "z", "z/", "caf", "nothing", "\U0010FFFF"}
	n := 0
	for _, who := range []string{"/tree/listing", "/writer/listing", "/fetcher/listing"} {
		principal := p.Principal(certs.MustParseID(id(who)))
		may := func(key string) bool {
			return principal.Decide(policy.Query{Verb: policy.VerbList, Bucket: "raw", Key: key, Now: time.Now()}).Allowed()
		}
		for _, prefix := range prefixes {
			for i, delimiter := range []string{"", "/", "e", "//", "x/1"} {
				want := rolledUp(keys, may, prefix, delimiter, "")
				size := []int{1, 3, 7, 50, 1000}[(n+i)%5]
				if len(want) > 60 && size < 7 {
					size = 7 // pages cost time
				}
				n++
				name := fmt.Sprintf("%s prefix %q delimiter %q by %d", who, prefix, delimiter, size)
				q := url.Values{"prefix": {prefix}, "delimiter": {delimiter}, "max-keys": {itoa(size)}}
				if n%3 > 0 {
					q.Set("list-type", "2")
				}
				got, err := pages(t, shared, who, "raw", q)
				if len(want) == 0 && err != nil && strings.Contains(err.Error(), "403") {
					continue // nothing there may be listed: refused as a whole
				}
				if err != nil || !slices.Equal(got, want) {
					t.Errorf("%s (%s): %v\n got %q\nwant %q", name, q.Get("list-type"), err, got, want)
				}
			}
		}
	}
}

// Listings may begin anywhere, also inside of what is denied.
func TestListingsBeginAnywhere(t *testing.T) {
	t.Parallel()
	keys := []string{"features-x/1", "blue/1", "blue/2/3", "blue/2/4", "blue/5", "red/1", "blue-/x"}
	for _, k := range keys {
		put(t, shared, "/writer/begin", "/features/"+k, []byte(k))
	}
	mayTeam := func(key string) bool { return strings.HasPrefix(key, "blue/") }
	for _, after := range []string{"", "a", "blue", "blue/", "blue/1", "blue/2", "blue/2/", "blue/2/3", "blue/2/39", "blue/2/4", "blue/2/\U0010FFFF", "blue/3", "blue/5", "blue0", "red/1", "zz"} {
		for _, delimiter := range []string{"", "/"} {
			want := rolledUp(keys, mayTeam, "blue/", delimiter, after)
			got, err := pages(t, shared, "/team/blue", "features", url.Values{
				"list-type": {"2"}, "prefix": {"blue/"}, "delimiter": {delimiter}, "start-after": {after}, "max-keys": {"1000"},
			})
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("after %q, delimiter %q: %v\n got %q\nwant %q", after, delimiter, err, got, want)
			}
			want = rolledUp(keys, mayTeam, "", delimiter, after)
			got, err = pages(t, shared, "/team/blue", "features", url.Values{"delimiter": {delimiter}, "marker": {after}, "max-keys": {"1000"}})
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("V1, no prefix, after %q, delimiter %q: %v\n got %q\nwant %q", after, delimiter, err, got, want)
			}
		}
	}
}

// escape makes a target of a key, every byte that could mean something
// escaped.
func escape(key string) string {
	var b strings.Builder
	for i := range len(key) {
		if c := key[i]; c == '/' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' {
			b.WriteByte(c)
			continue
		}
		fmt.Fprintf(&b, "%%%02X", key[i])
	}
	return b.String()
}

// A parent shows only the way to what is granted, and a prefix without its
// slash no neighbours.
func TestListingShowsNoNeighbours(t *testing.T) {
	t.Parallel()
	writer, who := "/writer/neighbours", "/fraud/neighbours"
	for _, k := range []string{"fraud/n/1", "fraud/n/2", "fraud-x/n/1", "fraud.txt", "fraudulent/n/1", "other/n/1"} {
		put(t, shared, writer, "/models/"+k, []byte(text))
	}
	l := newLedger(t, shared)
	for _, c := range []struct {
		query  string
		show   []string
		denied bool
	}{
		{"prefix=&delimiter=/", []string{"fraud/"}, false},
		{"prefix=fraud&delimiter=/", []string{"fraud/"}, false},
		{"prefix=frau&delimiter=/", []string{"fraud/"}, false},
		{"prefix=fraud/n", []string{"fraud/n/1", "fraud/n/2"}, false},
		{"prefix=fraud-", nil, true},
		{"prefix=fraud-x/", nil, true},
		{"prefix=fraudu", nil, true},
		{"prefix=other/&delimiter=/", nil, true},
		{"prefix=fraud.&delimiter=.", nil, true},
		{"prefix=Fraud/", nil, true},
		{"prefix=fraud/n/2", []string{"fraud/n/2"}, false},
		{"prefix=fraud/nothing/", nil, false},
	} {
		a := raw(t, shared, who, get("/models?list-type=2&"+c.query))
		prefix, _, _ := strings.Cut(strings.TrimPrefix(c.query, "prefix="), "&")
		if c.denied {
			l.add(c.query, who, a, denied("ListObjectsV2", "models/"+prefix))
			continue
		}
		l.add(c.query, who, a, want{status: http.StatusOK, decision: "allow", action: "ListObjectsV2"})
		keys, prefixes := readPage(t, a).names(t)
		got := slices.DeleteFunc(sorted(append(keys, prefixes...)), func(n string) bool {
			return strings.HasPrefix(n, "fraud/") && n != "fraud/" && !strings.HasPrefix(n, "fraud/n") // another test's
		})
		if !slices.Equal(got, c.show) {
			t.Errorf("%s: got %q, want %q", c.query, got, c.show)
		}
	}
	// What lists besides shows no more.
	for query, action := range map[string]string{"uploads": "ListMultipartUploads", "uploads&prefix=fraud": "ListMultipartUploads", "versions": "ListObjectVersions"} {
		a := raw(t, shared, who, get("/models?"+query))
		l.add(query, who, a, want{status: http.StatusOK, decision: "allow", action: action})
		for _, key := range regexp.MustCompile(`<(?:Key|Prefix)>([^<]*)<`).FindAllStringSubmatch(string(a.Body), -1) {
			if key[1] != "" && key[1] != "fraud" && !strings.HasPrefix(key[1], "fraud/") {
				t.Errorf("%s: shows %q", query, key[1])
			}
		}
	}
	l.add("versions", who, raw(t, shared, who, get("/models?versions&prefix=other/")), denied("ListObjectVersions", "models/other/"))
	for _, q := range []string{"prefix=../", "prefix=fraud/../", "prefix=./", "prefix=fraud%2f..%2fother%2f"} {
		l.add(q, who, raw(t, shared, who, get("/models?list-type=2&"+q)), refused(http.StatusBadRequest, "InvalidArgument"))
	}
	l.check()
}

// ListBuckets names the buckets in which the caller has a grant.
func TestBuckets(t *testing.T) {
	t.Parallel()
	l := newLedger(t, shared)
	for who, want := range map[string]string{
		"/writer/buckets": "datasets features models raw", "/fraud/buckets": "models", "/reader/buckets": "datasets", "/team/buckets": "features",
	} {
		a := raw(t, shared, who, get("/"))
		var got []string
		for _, part := range strings.Split(string(a.Body), "<Name>")[1:] {
			name, _, _ := strings.Cut(part, "<")
			got = append(got, name)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s sees %q, want %q", who, got, want)
		}
		l.add(who, who, a, wantAllowed("ListBuckets"))
		for _, bucket := range []string{"datasets", "models", "features", "raw", "nosuchbucket"} {
			head := raw(t, shared, who, "HEAD /"+bucket+" HTTP/1.1\r\nHost: x\r\n\r\n")
			location := raw(t, shared, who, get("/"+bucket+"?location"))
			if strings.Contains(want, bucket) {
				l.add(who+" HEAD "+bucket, who, head, wantAllowed("HeadBucket"))
				l.add(who+" location of "+bucket, who, location, wantAllowed("GetBucketLocation"))
				continue
			}
			l.add(who+" HEAD "+bucket, who, head, denied("HeadBucket", bucket))
			l.add(who+" location of "+bucket, who, location, denied("GetBucketLocation", bucket))
		}
	}
	l.add("nobody", "/nobody/buckets", raw(t, shared, "/nobody/buckets", get("/")), denied("ListBuckets", ""))
	l.check()
}

func wantAllowed(action string) want {
	return want{status: http.StatusOK, decision: "allow", action: action}
}

// What is missing and what is forbidden answer alike: no header, no length
// and no word tells them apart.
func TestMissingAndForbiddenAnswerAlike(t *testing.T) {
	t.Parallel()
	writer := "/writer/oracle"
	put(t, shared, writer, "/datasets/oracle/here", bytes.Repeat([]byte("x"), 100_000))
	etag := put(t, shared, writer, "/datasets/oracle/aaaa", []byte(text)).Header.Get("ETag")
	l := newLedger(t, shared)
	headers := []string{
		"", "Range: bytes=0-9", "Range: bytes=99999-", "Range: bytes=999999-", "If-Match: " + etag, "If-Match: \"0-1\"", "If-None-Match: *", "If-None-Match: " + etag,
		"If-Modified-Since: Sat, 01 Jan 2000 00:00:00 GMT", "If-Unmodified-Since: Sat, 01 Jan 2000 00:00:00 GMT", "X-Amz-Checksum-Mode: ENABLED",
	}
	ask := func(who, method, key, query, header string) (int, string) {
		request := method + " /datasets/oracle/" + key + query + " HTTP/1.1\r\nHost: x\r\n"
		if header != "" {
			request += header + "\r\n"
		}
		if method == http.MethodPut {
			request += "Content-Length: 0\r\n"
		}
		a := raw(t, shared, who, request+"\r\n")
		action := map[string]string{"GET": "GetObject", "HEAD": "HeadObject", "PUT": "PutObject", "DELETE": "DeleteObject"}[method]
		if who != "/fetcher/oracle" {
			l.add(method+" "+key+" "+header, who, a, want{status: a.Status, action: action, path: "datasets/oracle/" + key, reason: "no_grant"})
		}
		return a.Status, fingerprint(a.Header, a.Body, key)
	}
	for _, who := range []string{"/nobody/oracle", "/fraud/oracle"} {
		for _, method := range []string{"GET", "HEAD", "PUT", "DELETE"} {
			for _, header := range headers {
				if changes := method == "PUT" || method == "DELETE"; changes && header != "" && !strings.HasPrefix(header, "Range") {
					continue // refused before the policy is asked, there and not there
				}
				s1, here := ask(who, method, "here", "", header)
				s2, gone := ask(who, method, "gone", "", header)
				if s1 != http.StatusForbidden || s1 != s2 || here != gone {
					t.Errorf("%s %s %s: there\n%d %s\nnot there\n%d %s", who, method, header, s1, here, s2, gone)
				}
			}
		}
		for _, query := range []string{"?partNumber=1", "?partNumber=2", "?response-content-type=x", "?x-id=GetObject"} {
			s1, here := ask(who, "GET", "here", query, "")
			s2, gone := ask(who, "GET", "gone", query, "")
			if s1 != http.StatusForbidden || s1 != s2 || here != gone {
				t.Errorf("%s GET %s: there\n%d %s\nnot there\n%d %s", who, query, s1, here, s2, gone)
			}
		}
	}
	// Who may read but not list: what is missing looks like what is forbidden
	// elsewhere.
	for _, method := range []string{"GET", "HEAD"} {
		for _, header := range headers {
			status, gone := ask("/fetcher/oracle", method, "gone", "", header)
			a := raw(t, shared, "/fetcher/oracle", strings.TrimSuffix(method+" /models/oracle/gone HTTP/1.1\r\nHost: x\r\n"+header+"\r\n", "\r\n")+"\r\n\r\n")
			if header == "" {
				a = raw(t, shared, "/fetcher/oracle", method+" /models/oracle/gone HTTP/1.1\r\nHost: x\r\n\r\n")
			}
			forbidden := strings.ReplaceAll(fingerprint(a.Header, a.Body, "gone"), "models/", "datasets/")
			forbidden = strings.ReplaceAll(forbidden, fmt.Sprint("Content-Length: ", len(a.Body)), fmt.Sprint("Content-Length: ", len(a.Body)+2*len("datasets")-2*len("models")))
			if status != http.StatusForbidden || gone != forbidden {
				t.Errorf("fetcher %s %s:\nmissing   %d %s\nforbidden %d %s", method, header, status, gone, a.Status, forbidden)
			}
		}
	}
	l.check()
}

// fingerprint is all of an answer but its ids and its date.
func fingerprint(h http.Header, body []byte, key string) string {
	h = h.Clone()
	rid := h.Get("X-Amz-Request-Id")
	h.Del("X-Sealgate-Audit") // not there when many denials of one identity are counted together
	for _, name := range []string{"X-Amz-Request-Id", "Date"} {
		if len(h.Values(name)) == 1 {
			h.Set(name, "-")
		}
	}
	var b bytes.Buffer
	_ = h.Write(&b) // to memory
	s := b.String() + string(body)
	return strings.ReplaceAll(strings.ReplaceAll(s, rid, "ID"), "/"+key, "/KEY")
}

// A continuation token is good for one identity, bucket, prefix and
// delimiter, and for nothing else.
func TestContinuationTokens(t *testing.T) {
	t.Parallel()
	who := "/writer/tokens"
	for i := range 5 {
		for _, bucket := range []string{"models", "features"} {
			put(t, shared, who, fmt.Sprintf("/%s/tokens/%d", bucket, i), []byte(text))
		}
	}
	ask := func(who, bucket string, q url.Values) (int, []byte, string) {
		q.Set("list-type", "2")
		q.Set("max-keys", "2")
		a := list(t, shared, who, bucket, q)
		if a.Status != http.StatusOK {
			return a.Status, a.Body, ""
		}
		return a.Status, a.Body, readPage(t, a).NextContinuationToken
	}
	_, _, token := ask(who, "models", url.Values{"prefix": {"tokens/"}})
	if token == "" {
		t.Fatal("no token")
	}
	if strings.Contains(token, "tokens") {
		t.Error("the token shows where it goes on")
	}
	if decoded, err := base64.RawURLEncoding.DecodeString(token); err != nil || bytes.Contains(decoded, []byte("tokens/1")) {
		t.Errorf("the token shows where it goes on: %q, %v", decoded, err)
	}
	if status, body, _ := ask(who, "models", url.Values{"prefix": {"tokens/"}, "continuation-token": {token}}); status != http.StatusOK || !bytes.Contains(body, []byte("tokens/2")) {
		t.Fatalf("the token does not go on: %d %s", status, body)
	}
	l := newLedger(t, shared)
	refuse := func(name, who, bucket string, q url.Values) {
		t.Helper()
		q.Set("list-type", "2")
		a := list(t, shared, who, bucket, q)
		l.add(name, who, a, refused(http.StatusBadRequest, "InvalidArgument"))
		if strings.Contains(string(a.Body), "tokens/2") {
			t.Errorf("%s: %s", name, a.Body)
		}
	}
	refuse("of another identity", "/writer/tokens2", "models", url.Values{"prefix": {"tokens/"}, "continuation-token": {token}})
	refuse("of another bucket", who, "features", url.Values{"prefix": {"tokens/"}, "continuation-token": {token}})
	refuse("of another prefix", who, "models", url.Values{"prefix": {"token"}, "continuation-token": {token}})
	refuse("of no prefix", who, "models", url.Values{"continuation-token": {token}})
	refuse("of another delimiter", who, "models", url.Values{"prefix": {"tokens/"}, "delimiter": {"/"}, "continuation-token": {token}})
	refuse("a key", who, "models", url.Values{"prefix": {"tokens/"}, "continuation-token": {base64.RawURLEncoding.EncodeToString([]byte("tokens/1"))}})
	refuse("with padding", who, "models", url.Values{"prefix": {"tokens/"}, "continuation-token": {token + "="}})
	refuse("twice", who, "models", url.Values{"prefix": {"tokens/"}, "continuation-token": {token + token}})
	refuse("short", who, "models", url.Values{"prefix": {"tokens/"}, "continuation-token": {token[:8]}})
	refuse("long", who, "models", url.Values{"prefix": {"tokens/"}, "continuation-token": {strings.Repeat("A", 4097)}})
	rawToken, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	for i := range rawToken {
		flipped := bytes.Clone(rawToken)
		flipped[i] ^= 1
		refuse(fmt.Sprintf("byte %d flipped", i), who, "models", url.Values{"prefix": {"tokens/"}, "continuation-token": {base64.RawURLEncoding.EncodeToString(flipped)}})
	}
	l.items = l.items[:10] // the flipped ones are counted, not recorded one by one
	l.check()
}
