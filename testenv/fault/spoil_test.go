// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/sealgate/sealgate/testenv/servers"
)

// spoiler stands between a gateway and a real S3 server and spoils the
// exchanges that it was told to; all others it passes on as they are.
type spoiler struct {
	*httptest.Server
	pass http.Handler

	mu    sync.Mutex // guards all below
	rules map[*spoiling]bool
}

// spoiling is one fault on its way.
type spoiling struct {
	hits  func(*http.Request) bool
	times int // how often it strikes yet; negative is for ever
	do    fault
	seen  int
}

// fault is what becomes of an exchange. pass makes the real one.
type fault func(w http.ResponseWriter, r *http.Request, pass http.Handler)

func newSpoiler(t testing.TB, s *servers.Server) *spoiler {
	t.Helper()
	u, err := url.Parse(s.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	p := &spoiler{rules: map[*spoiling]bool{}, pass: &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(u)
		r.Out.Host = r.In.Host // it is signed
	}, FlushInterval: -1}}
	p.Server = httptest.NewServer(http.HandlerFunc(p.serve))
	t.Cleanup(p.Close)
	return p
}

func (p *spoiler) serve(w http.ResponseWriter, r *http.Request) {
	if do := p.strikes(r); do != nil {
		do(w, r, p.pass)
		return
	}
	p.pass.ServeHTTP(w, r)
}

func (p *spoiler) strikes(r *http.Request) fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	for s := range p.rules {
		if s.times != 0 && s.hits(r) {
			s.times--
			s.seen++
			return s.do
		}
	}
	return nil
}

// spoil begins a fault. end ends it and tells how often it struck.
func (p *spoiler) spoil(times int, do fault, hits func(*http.Request) bool) (end func() int) {
	s := &spoiling{hits: hits, times: times, do: do}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules[s] = true
	return func() int {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.rules, s)
		return s.seen
	}
}

// busy answers that it is too busy, before it looks at any body.
func busy(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = io.WriteString(w, `<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>reduce your request rate</Message></Error>`)
}

// hangUp ends the connection without an answer. A handler that panics would
// first read what is left of a body.
func hangUp(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
	if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
		_ = c.Close() // whatever comes of it, it is closed
	}
}

// halfRequest takes half of a body and hangs up.
func halfRequest(w http.ResponseWriter, r *http.Request, pass http.Handler) {
	_, _ = io.CopyN(io.Discard, r.Body, r.ContentLength/2)
	hangUp(w, r, pass)
}

// lost does what it is asked to and hangs up.
func lost(w http.ResponseWriter, r *http.Request, pass http.Handler) {
	pass.ServeHTTP(httptest.NewRecorder(), r)
	hangUp(w, r, pass)
}

// changed answers with what edit makes of the real answer.
func changed(w http.ResponseWriter, r *http.Request, pass http.Handler, edit func(*httptest.ResponseRecorder) []byte) {
	rec := httptest.NewRecorder()
	pass.ServeHTTP(rec, r)
	body := edit(rec)
	for name, values := range rec.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(rec.Code)
	_, _ = w.Write(body)
}

// halfAnswer promises all of an answer and hangs up after half of its body.
func halfAnswer(w http.ResponseWriter, r *http.Request, pass http.Handler) {
	changed(w, r, pass, func(rec *httptest.ResponseRecorder) []byte {
		rec.Header().Set("Content-Length", strconv.Itoa(rec.Body.Len()))
		return rec.Body.Bytes()[:rec.Body.Len()/2]
	})
	_ = http.NewResponseController(w).Flush() // so that it arrives
	panic(http.ErrAbortHandler)
}

// shortAnswer takes half of a body for all of it.
func shortAnswer(w http.ResponseWriter, r *http.Request, pass http.Handler) {
	changed(w, r, pass, func(rec *httptest.ResponseRecorder) []byte {
		rec.Header().Set("Content-Length", strconv.Itoa(rec.Body.Len()/2))
		return rec.Body.Bytes()[:rec.Body.Len()/2]
	})
}

// flipped changes one bit in the middle of an answer's body.
func flipped(w http.ResponseWriter, r *http.Request, pass http.Handler) {
	changed(w, r, pass, func(rec *httptest.ResponseRecorder) []byte {
		b := rec.Body.Bytes()
		if len(b) > 0 {
			b[len(b)/2] ^= 1
		}
		return b
	})
}

var tagElement = regexp.MustCompile(`<ETag>[^<]*</ETag>`)

const falseTag = `"0123456789abcdef0123456789abcdef"`

// wrongTag answers with an entity tag that nothing has.
func wrongTag(w http.ResponseWriter, r *http.Request, pass http.Handler) {
	changed(w, r, pass, func(rec *httptest.ResponseRecorder) []byte {
		if rec.Header().Get("Etag") != "" {
			rec.Header().Set("Etag", falseTag)
		}
		if r.Method == http.MethodGet && r.URL.RawQuery == "" {
			return rec.Body.Bytes() // an object's own
		}
		b := tagElement.ReplaceAll(rec.Body.Bytes(), []byte("<ETag>"+falseTag+"</ETag>"))
		if len(b) > 0 {
			rec.Header().Set("Content-Length", strconv.Itoa(len(b)))
		}
		return b
	})
}

// noTag leaves entity tags out.
func noTag(w http.ResponseWriter, r *http.Request, pass http.Handler) {
	changed(w, r, pass, func(rec *httptest.ResponseRecorder) []byte {
		rec.Header().Del("Etag")
		if r.Method == http.MethodGet && r.URL.RawQuery == "" {
			return rec.Body.Bytes()
		}
		b := tagElement.ReplaceAll(rec.Body.Bytes(), nil)
		if len(b) > 0 {
			rec.Header().Set("Content-Length", strconv.Itoa(len(b)))
		}
		return b
	})
}

// errorInside does nothing, and says so in an answer of success.
func errorInside(w http.ResponseWriter, r *http.Request, _ http.Handler) {
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Type", "application/xml")
	_, _ = io.WriteString(w, `<?xml version="1.0"?><Error><Code>InternalError</Code><Message>we encountered an internal error</Message></Error>`)
}

// absentInside does nothing, and says in an answer of success that what it is about
// is not there.
func absentInside(w http.ResponseWriter, r *http.Request, _ http.Handler) {
	_, _ = io.Copy(io.Discard, r.Body)
	code := "NoSuchKey"
	if r.URL.Query().Has("uploadId") {
		code = "NoSuchUpload"
	}
	_, _ = io.WriteString(w, `<?xml version="1.0"?><Error><Code>`+code+`</Code><Message>it does not exist</Message></Error>`)
}

// pageInside does nothing and answers with a page, as what stands in between may.
func pageInside(w http.ResponseWriter, r *http.Request, _ http.Handler) {
	_, _ = io.Copy(io.Discard, r.Body)
	_, _ = io.WriteString(w, "<html><body>please sign in</body></html>")
}

// late keeps quiet for a while and then does as it should.
func late(w http.ResponseWriter, r *http.Request, pass http.Handler) {
	time.Sleep(1500 * time.Millisecond)
	pass.ServeHTTP(w, r)
}
