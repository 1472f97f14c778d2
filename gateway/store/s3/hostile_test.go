// SPDX-License-Identifier: Apache-2.0

package s3_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/store"
	"github.com/sealgate/sealgate/gateway/store/s3"
	"github.com/sealgate/sealgate/testenv/servers"
)

// An answer that is not the one to the question is an error, whatever it holds.
func TestWrongAnswersToGet(t *testing.T) {
	t.Parallel()
	const body = "0123456789"
	serve := func(status int, contentRange, length, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			describeObject(w.Header())
			if contentRange != "" {
				w.Header().Set("Content-Range", contentRange)
			}
			w.Header().Set("Content-Length", length)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	part := store.GetOptions{Off: 2, Len: 3}
	for _, tt := range []struct {
		name string
		o    store.GetOptions
		h    http.HandlerFunc
		want error // nil: the answer is right
	}{
		{"right whole", store.Whole(), serve(200, "", "10", body), nil},
		{"right part", part, serve(206, "bytes 2-4/10", "3", "234"), nil},
		{"right tail", store.GetOptions{Off: -3}, serve(206, "bytes 7-9/10", "3", "789"), nil},
		{"right cut", store.GetOptions{Off: 8, Len: 5}, serve(206, "bytes 8-9/10", "2", "89"), nil},
		{"whole for a part", part, serve(200, "", "10", body), store.ErrUnavailable},
		{"part for the whole", store.Whole(), serve(206, "bytes 0-4/10", "5", "01234"), store.ErrUnavailable},
		{"another offset", part, serve(206, "bytes 3-5/10", "3", "345"), store.ErrUnavailable},
		{"another length", part, serve(206, "bytes 2-5/10", "4", "2345"), store.ErrUnavailable},
		{"tail cut short", store.GetOptions{Off: -3}, serve(206, "bytes 8-9/10", "2", "89"), store.ErrUnavailable},
		{"total unknown", part, serve(206, "bytes 2-4/*", "3", "234"), store.ErrUnavailable},
		{"range with more behind", part, serve(206, "bytes 2-4/10 x", "3", "234"), store.ErrUnavailable},
		{"range and length differ", part, serve(206, "bytes 2-4/10", "2", "23"), store.ErrUnavailable},
		{"total below the range", part, serve(206, "bytes 2-4/3", "3", "234"), store.ErrUnavailable},
		{"body too short", store.Whole(), serve(200, "", "10", body[:9]), io.ErrUnexpectedEOF},
		{"part too short", part, serve(206, "bytes 2-4/10", "3", "23"), io.ErrUnexpectedEOF},
		{"metadata too long", store.Whole(), func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Amz-Meta-Sg1", strings.Repeat("m", store.MaxMetadata+1))
			w.Header().Set("ETag", `"x"`)
			w.Header().Set("Last-Modified", "Wed, 21 Oct 2026 07:28:00 GMT")
		}, store.ErrUnavailable},
		{"no such bucket", store.Whole(), func(w http.ResponseWriter, _ *http.Request) {
			answer(w, 404, "NoSuchBucket")
		}, store.ErrUnavailable},
		{"no such key", store.Whole(), func(w http.ResponseWriter, _ *http.Request) {
			answer(w, 404, "NoSuchKey")
		}, store.ErrNotFound},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, s := newFake(t, tt.h, nil)
			r, err := s.Get(t.Context(), "k", tt.o)
			if err == nil {
				_, err = io.ReadAll(r)
				_ = r.Close()
			}
			if !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
		})
	}
}

// A chunked body has no length that net/http could hold it to.
func TestChunkedBodyWithoutSize(t *testing.T) {
	t.Parallel()
	_, s := newFake(t, func(w http.ResponseWriter, _ *http.Request) {
		describeObject(w.Header())
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		_, _ = io.WriteString(w, "body")
	}, nil)
	if _, err := s.Get(t.Context(), "k", store.Whole()); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Get of a body without a size: %v", err)
	}
}

// A redirect would take signed requests, and bodies, where the backend likes.
func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	for _, status := range []int{301, 302, 303, 307, 308} {
		other, _ := newFake(t, func(w http.ResponseWriter, _ *http.Request) { describeObject(w.Header()) }, nil)
		_, s := newFake(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL+r.URL.Path, status)
		}, nil)
		_, errs := use(t.Context(), s)
		for op, err := range errs {
			if err == nil {
				t.Errorf("%s was redirected by %d", op, status)
			}
		}
		for _, m := range []string{"GET", "HEAD", "PUT", "DELETE"} {
			if n := other.calls(m); n > 0 {
				t.Errorf("%d requests %s followed a %d", n, m, status)
			}
		}
	}
}

// use calls every operation once.
func use(ctx context.Context, s store.Store) (page store.ListPage, errs map[string]error) {
	errs = make(map[string]error)
	_, errs["Put"] = s.Put(ctx, "k", strings.NewReader("body"), store.PutOptions{Size: 4})
	_, errs["Head"] = s.Head(ctx, "k")
	_, errs["Get"] = s.Get(ctx, "k", store.Whole())
	errs["Delete"] = s.Delete(ctx, "k")
	page, errs["List"] = s.List(ctx, store.ListOptions{})
	return page, errs
}

// The environment of whoever starts the gateway must not see its requests.
func TestProxyOfTheEnvironment(t *testing.T) {
	proxy, _ := newFake(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }, nil)
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"} {
		t.Setenv(name, proxy.URL)
	}
	// A name, not an address: net/http never uses a proxy for the loopback.
	_, s := newFake(t, nil, func(c *s3.Config) { c.Endpoint = "http://storage.invalid"; c.Timeout = time.Second })
	if _, errs := use(t.Context(), s); errs["Head"] == nil {
		t.Error("a name that does not resolve answers")
	}
	for _, m := range []string{"GET", "HEAD", "PUT", "DELETE", "CONNECT"} {
		if n := proxy.calls(m); n > 0 {
			t.Errorf("%d requests %s went to the proxy", n, m)
		}
	}
}

// Only the authorities of CAFile are trusted, not those of the system, and a
// server without TLS is not spoken to as if it had it.
func TestAuthorities(t *testing.T) {
	t.Parallel()
	server := servers.MinIOTLS(t)
	other := servers.MinIOTLS(t)
	c := s3.Config{
		Endpoint: server.Endpoint, Bucket: server.NewBucket(t), Timeout: 5 * time.Second,
		Read: s3.Credentials{AccessKey: server.AccessKey, SecretKey: server.SecretKey}.Static(),
	}
	for name, ca := range map[string]string{"own": server.CAFile, "another": other.CAFile, "the system's": ""} {
		c.CAFile = ca
		s, err := s3.Open(c)
		if err != nil {
			t.Fatal(err)
		}
		_, errs := use(t.Context(), s)
		for op, err := range errs {
			if (err == nil) != (name == "own") {
				t.Errorf("%s with %s authorities: %v", op, name, err)
			}
		}
	}
}

// What is not an object is read to a bound only. Not parallel: it measures what
// the process allocates.
func TestEndlessAnswers(t *testing.T) {
	_, s := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.Method == http.MethodGet && r.URL.RawQuery == "" || r.Method == http.MethodPut {
			w.WriteHeader(http.StatusBadRequest)
		}
		_, _ = io.WriteString(w, "<ListBucketResult><Name>")
		block := strings.Repeat("x", 1<<20)
		for range 512 {
			if _, err := io.WriteString(w, block); err != nil {
				return
			}
		}
	}, nil)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, errs := use(t.Context(), s)
	runtime.ReadMemStats(&after)
	for _, op := range []string{"Put", "Get", "List"} {
		if errs[op] == nil {
			t.Errorf("%s took an endless answer", op)
		}
	}
	if used := int64(after.TotalAlloc-before.TotalAlloc) >> 20; used > 300 {
		t.Errorf("%d MiB allocated for answers of 512 MiB each", used)
	}
}

// A listing with names that were not asked for is not passed on.
func TestWrongListings(t *testing.T) {
	t.Parallel()
	entry := func(key string) string {
		return fmt.Sprintf(`<Contents><Key>%s</Key><ETag>"e"</ETag><Size>1</Size><LastModified>2026-01-02T03:04:05Z</LastModified></Contents>`, key)
	}
	for name, inner := range map[string]string{
		"another prefix": entry("q/1"),
		"twice":          entry("p/1") + entry("p/1"),
		"not grouped":    entry("p/1/2"),
		"grouped wrong":  "<CommonPrefixes><Prefix>p/1</Prefix></CommonPrefixes>",
		"negative size":  strings.ReplaceAll(entry("p/1"), "<Size>1", "<Size>-1"),
		"no ETag":        strings.ReplaceAll(entry("p/1"), `<ETag>"e"</ETag>`, ""),
		"empty ETag":     strings.ReplaceAll(entry("p/1"), `"e"`, `""`),
		"no XML":         "<",
		"bad escape":     "<EncodingType>url</EncodingType>" + entry("p/%zz"),
		"too many":       entry("p/1") + entry("p/2") + entry("p/3") + entry("p/4") + entry("p/5"),
		"no way on":      "<IsTruncated>true</IsTruncated>",
		"for ever":       "<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, s := newFake(t, func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, "<ListBucketResult>"+inner+"</ListBucketResult>")
			}, nil)
			page, err := s.List(t.Context(), store.ListOptions{Prefix: "p/", Delimiter: "/", Max: 3})
			if !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("List = %+v, %v", page, err)
			}
		})
	}
}

// Nobody listens; a name does not resolve; a server that never answers.
func TestNobodyThere(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0") // accepts, by the backlog, and is silent
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	for name, endpoint := range map[string]string{"refused": "http://127.0.0.1:1", "silent": "http://" + l.Addr().String()} {
		_, s := newFake(t, nil, func(c *s3.Config) { c.Endpoint = endpoint; c.Timeout = 300 * time.Millisecond })
		began := time.Now()
		_, errs := use(t.Context(), s)
		for op, err := range errs {
			if !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("%s, %s: %v", name, op, err)
			}
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%s: five calls took %v", name, took)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	good := s3.Config{Endpoint: "https://host", Bucket: "bucket", Read: s3.Credentials{AccessKey: "a", SecretKey: "geheim"}.Static()}
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*s3.Config){
		"no scheme":  func(c *s3.Config) { c.Endpoint = "host" },
		"ftp":        func(c *s3.Config) { c.Endpoint = "ftp://host" },
		"path":       func(c *s3.Config) { c.Endpoint = "https://host/path" },
		"query":      func(c *s3.Config) { c.Endpoint = "https://host?x" },
		"user":       func(c *s3.Config) { c.Endpoint = "https://u:p@host" },
		"no host":    func(c *s3.Config) { c.Endpoint = "https://" },
		"no bucket":  func(c *s3.Config) { c.Bucket = "" },
		"no secret":  func(c *s3.Config) { c.Read = s3.Credentials{AccessKey: "a"}.Static() },
		"no reader":  func(c *s3.Config) { c.Read = nil },
		"no CA file": func(c *s3.Config) { c.CAFile = empty + "x" },
		"empty CA":   func(c *s3.Config) { c.CAFile = empty },
		"empty":      func(c *s3.Config) { *c = s3.Config{} },
	} {
		c := good
		change(&c)
		_, err := s3.Open(c)
		if err == nil || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s3.Open(good); err != nil {
		t.Error(err)
	}
	secret := s3.Credentials{AccessKey: "a", SecretKey: "geheim", SessionToken: "geheim"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		for _, v := range []any{secret, &secret, []s3.Credentials{secret}, struct{ C s3.Credentials }{secret}} {
			if text := fmt.Sprintf(verb, v); strings.Contains(text, "geheim") {
				t.Errorf("%s prints the secret key: %s", verb, text)
			}
		}
	}
}

// A page full of names that lie before the start, and said to be the last one,
// ends nothing: there may be more behind them.
func TestFullPageBeforeTheStart(t *testing.T) {
	t.Parallel()
	keys := []string{".-a", ".-b", ".x", ".y", ".z"} // all after the start that is asked for, see speakable
	_, s := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		most, err := strconv.Atoi(r.URL.Query().Get("max-keys"))
		if err != nil {
			t.Error(err)
		}
		text := ""
		for _, key := range keys[:min(most, len(keys))] {
			text += fmt.Sprintf(`<Contents><Key>%s</Key><ETag>"e"</ETag><Size>1</Size><LastModified>2026-01-02T03:04:05Z</LastModified></Contents>`, key)
		}
		_, _ = io.WriteString(w, "<ListBucketResult><IsTruncated>false</IsTruncated>"+text+"</ListBucketResult>")
	}, nil)
	page, err := s.List(t.Context(), store.ListOptions{StartAfter: "./b", Max: 1})
	if err != nil || len(page.Objects) != 1 || page.Objects[0].Key != ".x" || !page.More {
		t.Errorf("List = %+v, %v", page, err)
	}
}
