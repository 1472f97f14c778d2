// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/testenv/gate"
	"github.com/sealgate/sealgate/testenv/servers"
)

// retaining locks an object that is there.
var retaining = operation{
	name: "retain",
	prepare: func(tr *trial) {
		tr.must(http.StatusOK, http.MethodPut, "/locking-faults/"+tr.key, []byte("to be kept"))
	},
	hits: func(tr *trial, r *http.Request) bool {
		return tr.at(r, http.MethodPut, "locking", tr.key) && r.URL.Query().Has("retention")
	},
	do: func(tr *trial) gate.Answer {
		until := time.Now().Add(time.Minute).UTC().Format(time.RFC3339)
		doc := "<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>" + until + "</RetainUntilDate></Retention>"
		return tr.do(http.MethodPut, "/locking-faults/"+tr.key+"?retention", []byte(doc))
	},
	// What a client was told is kept, is.
	after: func(tr *trial) {
		a := tr.must(http.StatusOK, http.MethodGet, "/locking-faults/"+tr.key+"?retention", nil)
		if !strings.Contains(string(a.Body), "<Mode>GOVERNANCE</Mode>") {
			tr.t.Errorf("it is not kept: %s", a.Body)
		}
	},
	want: wordless("200", map[string]string{"takes half, once": "200"}),
}

// A lock is said to be there only when the backend says so and nothing else: a
// client that is told so relies on it.
func TestRetentionFaults(t *testing.T) {
	t.Parallel()
	b := newBehindMaking(t, servers.MinIO(t))
	b.buckets["locking"] = "locking-faults"
	(&trial{behind: b, t: t}).must(http.StatusOK, http.MethodPut, "/locking-faults", nil, "X-Amz-Bucket-Object-Lock-Enabled", "true")
	for f, want := range retaining.want {
		t.Run(f, func(t *testing.T) {
			name, once := strings.CutSuffix(f, ", once")
			times := -1
			if once {
				times = 1
			}
			(&trial{behind: b, t: t, key: strings.NewReplacer(" ", "-", ",", "").Replace(f)}).run(retaining, faults[name], times, want)
		})
	}
	b.settle(t)
	verify(t, b.Gate)
}
