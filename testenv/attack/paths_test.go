// SPDX-License-Identifier: Apache-2.0

package attack

import (
	"io/fs"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/gateway/store/disk"
	"github.com/sealgate/sealgate/testenv/gate"
)

// get is a request line with the least of headers.
func get(target string) string { return "GET " + target + " HTTP/1.1\r\nHost: x\r\n\r\n" }

func putRaw(target, body string) string {
	return "PUT " + target + " HTTP/1.1\r\nHost: x\r\nContent-Length: " + itoa(len(body)) + "\r\n\r\n" + body
}

// Paths that some reader could take for another one are refused, never
// cleaned, whatever the caller may do.
func TestPathsRefused(t *testing.T) {
	t.Parallel()
	put(t, shared, "/writer/paths", "/datasets/secret/x", []byte(text))
	put(t, shared, "/writer/paths", "/datasets/open/x", []byte(text))
	l := newLedger(t, shared)
	for name, c := range map[string]struct{ target, code string }{
		"dot dot":                       {"/datasets/open/../secret/x", "InvalidURI"},
		"dot dot, escaped":              {"/datasets/open/%2e%2e/secret/x", "InvalidURI"},
		"dot dot, upper-case escape":    {"/datasets/open/%2E%2E/secret/x", "InvalidURI"},
		"dot dot, half escaped":         {"/datasets/open/.%2e/secret/x", "InvalidURI"},
		"dot dot, half escaped again":   {"/datasets/open/%2e./secret/x", "InvalidURI"},
		"dot dot behind escaped slash":  {"/datasets/open%2f..%2fsecret%2fx", "InvalidURI"},
		"dot dot, all escaped":          {"/datasets/open%2f%2e%2e%2fsecret%2fx", "InvalidURI"},
		"dot dot at the end":            {"/datasets/open/..", "InvalidURI"},
		"dot dot above the bucket":      {"/datasets/../models/x", "InvalidURI"},
		"dot dot as the bucket":         {"/../datasets/open/x", "InvalidBucketName"},
		"dot dot escaped as the bucket": {"/%2e%2e/datasets/open/x", "InvalidBucketName"},
		"dot":                           {"/datasets/./open/x", "InvalidURI"},
		"dot, escaped":                  {"/datasets/%2e/open/x", "InvalidURI"},
		"NUL":                           {"/datasets/open/x%00", "InvalidURI"},
		"NUL before a suffix":           {"/datasets/open/x%00.txt", "InvalidURI"},
		"line feed":                     {"/datasets/open/x%0a", "InvalidURI"},
		"carriage return":               {"/datasets/open/%0d%0ax", "InvalidURI"},
		"escape character":              {"/datasets/open/%1b[2J", "InvalidURI"},
		"delete":                        {"/datasets/open/%7f", "InvalidURI"},
		"not UTF-8":                     {"/datasets/open/%ff", "InvalidURI"},
		"overlong slash":                {"/datasets/open%c0%af..%c0%afsecret/x", "InvalidURI"},
		"surrogate":                     {"/datasets/open/%ed%a0%80", "InvalidURI"},
		"overlong NUL":                  {"/datasets/open/x%c0%80", "InvalidURI"},
		"half an escape":                {"/datasets/open/x%2", "BadRequest"},
		"no escape":                     {"/datasets/open/x%zz", "BadRequest"},
		"escaped separator":             {"/datasets%2fopen/x", "InvalidBucketName"},
		"all separators escaped":        {"/datasets%2fopen%2fx", "InvalidBucketName"},
		"empty bucket":                  {"//datasets/open/x", "InvalidBucketName"},
		"bucket with a dot":             {"/datasets./open/x", "InvalidBucketName"},
		"bucket in upper case":          {"/DATASETS/open/x", "InvalidBucketName"},
		"bucket of one letter":          {"/d/open/x", "InvalidBucketName"},
		"bucket is an address":          {"/127.0.0.1/open/x", "InvalidBucketName"},
		"absolute form":                 {"http://evil.example/datasets/open/x", "InvalidURI"},
		"absolute form, https":          {"https://localhost/datasets/open/x", "InvalidURI"},
		"absolute form, bucket as host": {"http://datasets/open/x", "InvalidURI"},
		"fragment":                      {"/datasets/open/x#y", "InvalidURI"},
		"too long":                      {"/datasets/open/" + strings.Repeat("k", 1020), "KeyTooLongError"},
		"too long when decoded":         {"/datasets/open/" + strings.Repeat("%C3%A9", 510), "KeyTooLongError"},
	} {
		for _, who := range []string{"/writer/paths", "/reader/paths"} {
			if c.code == "BadRequest" { // net/http refuses to parse it: no handler sees it, and nothing is done
				a := raw(t, shared, who, get(c.target))
				if a.Status != http.StatusBadRequest || len(a.Header.Get("X-Amz-Request-Id")) > 0 {
					t.Errorf("%s: got %d %v, want 400 of the parser", name, a.Status, a.Header)
				}
				continue
			}
			l.add(name, who, raw(t, shared, who, get(c.target)), refused(http.StatusBadRequest, c.code))
			l.add(name+", PUT", who, raw(t, shared, who, putRaw(c.target, "evil")), refused(http.StatusBadRequest, c.code))
		}
	}
	l.check()
	if a := raw(t, shared, "/writer/paths", get("/datasets/secret/x")); string(a.Body) != text {
		t.Errorf("the object behind all of these holds %q", a.Body)
	}
}

// storedKeys are the keys below a prefix as the files of the store name them.
func storedKeys(t *testing.T, g *gate.Gate, bucket, prefix string) []string {
	t.Helper()
	var keys []string
	err := filepath.WalkDir(filepath.Join(g.Dir, "objects", bucket), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "=") {
			return err
		}
		f, err := disk.OpenFile(path)
		if err != nil {
			return err
		}
		if strings.HasPrefix(f.Key, prefix) {
			keys = append(keys, f.Key)
		}
		return f.Close()
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(keys)
	return keys
}

// The bytes of a key that are decided on are those that are stored, listed
// and recorded.
func TestKeysAreExact(t *testing.T) {
	t.Parallel()
	who := "/writer/exact"
	targets := map[string]string{ // target below /features/exact/ -> key below exact/
		"plain": "plain", "a//b": "a//b", "/lead": "/lead", "trail/": "trail/", "a%2Fc": "a/c", "a%252Fc": "a%2Fc",
		"plus+sign": "plus+sign", "sp%20ace": "sp ace", "q%3Fx": "q?x", "h%23y": "h#y", "dot.": "dot.", "...": "...", "..a/b..": "..a/b..", ".hidden": ".hidden",
		"caf%C3%A9": "caf\u00e9", "cafe%CC%81": "cafe\u0301", "Case": "Case", "case": "case", "CASE": "CASE", "%E2%80%AE": "\u202e",
		"a=": "a=", "a+": "a+", "a~": "a~", "%25": "%", "a%5Cb": `a\b`, "a:b*c%3C%3E%7C": "a:b*c<>|", "CON": "CON", "%C4%B0": "\u0130",
		".sealgate/x": ".sealgate/x", "%2esealgate": ".sealgate", "a%26b;c": "a&b;c", ".tmp": ".tmp", ".format": ".format", "%22%27": `"'`,
	}
	l := newLedger(t, shared)
	var keys []string
	for target, key := range targets {
		full := "exact/" + key
		keys = append(keys, full)
		a := raw(t, shared, who, putRaw("/features/exact/"+target, "body of "+key))
		l.add("PUT "+target, who, a, want{status: http.StatusOK, decision: "allow", action: "PutObject", path: "features/" + full, outcome: http.StatusOK})
	}
	for target, key := range targets {
		a := raw(t, shared, who, get("/features/exact/"+target))
		if string(a.Body) != "body of "+key {
			t.Errorf("GET %s: got %q, want the object of key %q", target, a.Body, key)
		}
		l.add("GET "+target, who, a, want{status: http.StatusOK, decision: "allow", action: "GetObject", path: "features/exact/" + key})
		// Nobody else may, and the record names the same bytes.
		none := raw(t, shared, "/nobody/exact", get("/features/exact/"+target))
		l.add("GET "+target+" by nobody", "/nobody/exact", none, denied("GetObject", "features/exact/"+key))
	}
	slices.Sort(keys)
	if got := storedKeys(t, shared, "features", "exact/"); !slices.Equal(got, keys) {
		t.Errorf("stored keys:\n got %q\nwant %q", got, keys)
	}
	if got := listAll(t, shared, who, "features", "exact/", "", 7); !slices.Equal(got, keys) {
		t.Errorf("listed keys:\n got %q\nwant %q", got, keys)
	}
	l.check()
}

// A grant on a prefix ends at the slash, and at the exact bytes of it.
func TestPrefixesEndAtSlash(t *testing.T) {
	t.Parallel()
	writer, who := "/writer/prefix", "/fraud/prefix"
	l := newLedger(t, shared)
	for target, ok := range map[string]bool{
		"/models/fraud/a": true, "/models/fraud%2Fa": true, "/models/fraud/x/y": true, "/models/fraud//a": true,
		"/models/fraud-x/a": false, "/models/fraud.x/a": false, "/models/fraud": false, "/models/fraudx": false, "/models/fraud%20/a": false,
		"/models/Fraud/a": false, "/models/FRAUD/a": false, "/models/%66raud%252Fa": false, "/models//fraud/a": false, "/models/x/fraud/a": false,
		"/models/fr%C3%A0ud/a": false, "/models/fraud%C2%A0/a": false, "/models/fraud%E2%80%8B/a": false, "/models/%EF%BD%86raud/a": false, "/datasets/fraud/a": false,
		"/models/fraud%5Ca": false, "/models/*/a": false, "/models/fraud*/a": false, "/models/%7Bteam%7D/a": false,
	} {
		path := strings.TrimPrefix(keyOf(t, target), "/")
		if a := raw(t, shared, writer, putRaw(target, text)); a.Status != http.StatusOK {
			t.Fatalf("PUT %s: got %d %s", target, a.Status, a.Body)
		}
		w := denied("GetObject", path)
		if ok {
			w = want{status: http.StatusOK, decision: "allow", action: "GetObject", path: path}
		}
		l.add("GET "+target, who, raw(t, shared, who, get(target)), w)
		if !ok {
			w = denied("PutObject", path)
			l.add("PUT "+target, who, raw(t, shared, who, putRaw(target, "evil")), w)
			if a := raw(t, shared, writer, get(target)); string(a.Body) != text {
				t.Errorf("%s: a denied PUT left %q", target, a.Body)
			}
		}
	}
	l.check()
}

// A captured segment is compared as text, and never acts as a pattern.
func TestCaptures(t *testing.T) {
	t.Parallel()
	put(t, shared, "/writer/capture", "/features/green/a", []byte(text))
	put(t, shared, "/writer/capture", "/features/red/a", []byte(text))
	l := newLedger(t, shared)
	ok := want{status: http.StatusOK, decision: "allow", action: "GetObject"}
	l.add("its own", "/team/green", raw(t, shared, "/team/green", get("/features/green/a")), ok)
	l.add("another", "/team/green", raw(t, shared, "/team/green", get("/features/red/a")), denied("GetObject", "features/red/a"))
	for _, team := range []string{"_", "...", "-", "**x", "green."} {
		if strings.Contains(team, "*") {
			continue // no certificate can hold it: TestCertificates, "star"
		}
		who := "/team/" + team
		l.add(team, who, raw(t, shared, who, get("/features/red/a")), denied("GetObject", "features/red/a"))
		l.add(team, who, raw(t, shared, who, get("/features/"+team+"x/a")), denied("GetObject", "features/"+team+"x/a"))
	}
	l.check()
}

// The gateway's own records are out of reach in every spelling and for every
// operation, also for who may do everything.
func TestReservedNames(t *testing.T) {
	t.Parallel()
	who := "/writer/reserved"
	own := storedKeys(t, shared, "datasets", ".sealgate/")
	if len(own) == 0 {
		t.Fatal("the system bucket holds no records: nothing is protected here")
	}
	l := newLedger(t, shared)
	targets := []string{
		".sealgate", ".sealgate/", ".sealgate/x", "%2esealgate/x", "%2Esealgate/x", ".%73ealgate/x", ".sealgat%65/x", ".sealgate%2Fx", ".sealgate%2fx",
		"%2e%73%65%61%6c%67%61%74%65%2f%78", ".sealgate//x", ".sealgate/a%2f%2fb", ".sealgate/...",
	}
	targets = append(targets, own[:min(len(own), 3)]...)
	for _, target := range targets {
		path := "datasets/" + strings.TrimPrefix(keyOf(t, "/"+target), "/")
		w := want{status: http.StatusForbidden, code: "AccessDenied", reason: "reserved_name", path: path}
		for action, request := range map[string]string{
			"GetObject": get("/datasets/" + target), "HeadObject": strings.Replace(get("/datasets/"+target), "GET", "HEAD", 1),
			"PutObject": putRaw("/datasets/"+target, "evil"), "DeleteObject": strings.Replace(get("/datasets/"+target), "GET", "DELETE", 1),
		} {
			w.action = action
			l.add(action+" "+target, who, raw(t, shared, who, request), w)
		}
	}
	if got := storedKeys(t, shared, "datasets", ".sealgate/"); !slices.Equal(got, own) {
		t.Errorf("records afterwards:\n got %q\nwant %q", got, own)
	}
	for _, query := range []string{
		"prefix=.sealgate/", "prefix=.sealgate", "prefix=%2esealgate%2f", "prefix=.", "delimiter=/", "delimiter=gate", "delimiter=l", "delimiter=.",
		"start-after=.sealgate/", "start-after=.sealgat", "prefix=.sealgate/&delimiter=/", "prefix=.s&delimiter=gate", "",
	} {
		for _, version := range []string{"list-type=2&", ""} {
			if version == "" {
				query = strings.ReplaceAll(query, "start-after", "marker")
			}
			a := raw(t, shared, who, get("/datasets?"+version+query))
			if body := withoutEcho(string(a.Body)); a.Status == http.StatusOK && strings.Contains(body, ".seal") {
				t.Errorf("listing %s%s: got %s", version, query, a.Body)
			}
			w := want{status: http.StatusOK, decision: "allow"}
			if inside := keyOf(t, query); strings.Contains(inside, "prefix=.sealgate/") {
				prefix, _, _ := strings.Cut(strings.TrimPrefix(inside, "prefix="), "&")
				w = want{status: http.StatusForbidden, code: "AccessDenied", reason: "reserved_name", path: "datasets/" + prefix}
				if w.action = "ListObjects"; version != "" {
					w.action = "ListObjectsV2"
				}
			}
			l.add("list "+version+query, who, a, w)
		}
	}
	l.check()
}

// withoutEcho leaves out of a listing what it repeats of the request.
func withoutEcho(body string) string {
	before, after, found := strings.Cut(body, "<IsTruncated>")
	if !found {
		return body
	}
	if at := strings.Index(before, "<Contents>"); at >= 0 {
		return before[at:] + after
	}
	return after
}

// What the Host says chooses nothing.
func TestHost(t *testing.T) {
	t.Parallel()
	writer := "/writer/host"
	put(t, shared, writer, "/models/host/a", []byte(text))
	l := newLedger(t, shared)
	for _, host := range []string{"models.localhost", "models", "evil.example", "localhost:1", "datasets.s3.amazonaws.com", "169.254.169.254"} {
		a := raw(t, shared, writer, "GET /models/host/a HTTP/1.1\r\nHost: "+host+"\r\n\r\n")
		l.add(host, writer, a, want{status: http.StatusOK, decision: "allow", path: "models/host/a"})
		a = raw(t, shared, "/fraud/host", "GET /host/a HTTP/1.1\r\nHost: "+host+"\r\n\r\n")
		l.add(host+", virtual", "/fraud/host", a, denied("GetObject", "host/a"))
	}
	l.check()
	for name, request := range map[string]string{
		"two hosts":    "GET /models/host/a HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
		"no host":      "GET /models/host/a HTTP/1.1\r\n\r\n",
		"bad host":     "GET /models/host/a HTTP/1.1\r\nHost: a b\r\n\r\n",
		"a path in it": "GET /models/host/a HTTP/1.1\r\nHost: x/../y\r\n\r\n",
	} {
		if a := raw(t, shared, writer, request); a.Status != http.StatusBadRequest {
			t.Errorf("%s: got %d, want 400", name, a.Status)
		}
	}
}

// Request targets that are no path, which net/http answers by itself unless
// told not to: no answer without a record.
func TestOtherTargets(t *testing.T) {
	t.Parallel()
	who := "/writer/targets"
	l := newLedger(t, shared)
	for _, request := range []string{"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "GET * HTTP/1.1\r\nHost: x\r\n\r\n"} {
		l.add(request, who, raw(t, shared, who, request), refused(http.StatusBadRequest, "InvalidURI"))
	}
	l.add("CONNECT", who, raw(t, shared, who, "CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n"), refused(http.StatusBadRequest, "InvalidURI"))
	for _, method := range []string{"TRACE", "PATCH", "PROPFIND", "get", "OPTIONS"} {
		a := raw(t, shared, who, method+" /models/host/a HTTP/1.1\r\nHost: x\r\n\r\n")
		l.add(method, who, a, refused(http.StatusMethodNotAllowed, "MethodNotAllowed"))
	}
	l.check()
	for _, r := range shared.Records(t, audit.SearchQuery{Who: id(who)}) {
		if r.Decision == "allow" {
			t.Errorf("record %d: %s was allowed", r.Seq, r.Action)
		}
	}
}
