// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sealgate/sealgate/testenv/servers"
)

// silent takes what it gets and never answers.
func silent(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
	_, _ = io.Copy(io.Discard, r.Body) // net/http hears of the other side's end only behind the body
	<-r.Context().Done()
}

// deaf says that it is ready for a body and takes no more of it than comes at
// once.
func deaf(w http.ResponseWriter, r *http.Request, _ http.Handler) {
	_, _ = r.Body.Read(make([]byte, 1))
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	time.AfterFunc(2*time.Minute, func() { _ = c.Close() }) // longer than anybody waits
}

// trickling gives an answer byte by byte.
func trickling(w http.ResponseWriter, r *http.Request, pass http.Handler) {
	rec := httptest.NewRecorder()
	pass.ServeHTTP(rec, r)
	for name, values := range rec.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(rec.Code)
	for b := rec.Body.Bytes(); len(b) > 0; b = b[1:] {
		if _, err := w.Write(b[:1]); err != nil || http.NewResponseController(w).Flush() != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// stalls are operations on a backend that stands still, and what comes of them.
var stalls = []struct {
	name string
	op   operation
	do   fault
	want string
}{
	{"get, silent", operationOf("get"), silent, away},
	{"get, trickling", operationOf("get"), trickling, "200 cut, or " + away},
	{"head, silent", operationOf("head"), silent, "503"},
	{"put, silent", operationOf("put over"), silent, away},
	{"put, deaf", operationOf("put over"), deaf, away},
	{"part, silent", operationOf("part"), silent, away},
	{"part, deaf", operationOf("part"), deaf, away},
	{"part copied from, trickling", operationOf("part copied from"), trickling, away + ", or 200 ServiceUnavailable"}, // late
	{"abort, silent", operationOf("abort"), silent, away},
	{"delete, silent", operationOf("delete"), silent, away},
	{"batch, silent", operationOf("batch"), silent, "200"},
	{"list, silent", operationOf("list"), silent, away},
	{"list, trickling", operationOf("list"), trickling, away},
	{"tags, silent", operationOf("tags"), silent, away},
	{"set tags, silent", operationOf("set tags"), silent, away},
}

func operationOf(name string) operation {
	for _, op := range operations {
		if op.name == name {
			return op
		}
	}
	panic("no operation is called " + name)
}

// TestBackendStandsStill: a backend that does not answer, does not take what is
// sent to it, or gives byte by byte, costs its own requests half a minute and
// others nothing; what comes of them is said, on the record, and the same again
// succeeds.
func TestBackendStandsStill(t *testing.T) {
	t.Parallel()
	b := newBehind(t, servers.Versitygw(t))
	var work errgroup.Group
	for _, s := range stalls {
		work.Go(func() error {
			t.Run(s.name, func(t *testing.T) {
				tr := &trial{behind: b, t: t, key: "t/" + strings.NewReplacer(" ", "-", ",", "").Replace(s.name) + "/o"}
				tr.run(s.op, s.do, -1, s.want)
			})
			return nil
		})
	}
	t.Run("others", func(t *testing.T) {
		tr := &trial{behind: b, t: t, key: "t/others", new: random(smallSize)}
		tr.client = tr.Client(t, "/writer")
		for range 5 {
			tr.must(http.StatusOK, http.MethodPut, tr.path(), tr.new)
			tr.whole(true)
		}
	})
	_ = work.Wait() // the trials have their own say
	b.settle(t)
	verify(t, b.Gate)
}
