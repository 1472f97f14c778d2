// SPDX-License-Identifier: Apache-2.0

package authority

import (
	"testing"

	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

// BenchmarkIssueX509 is one fresh key, certificate and lint, with nothing to await.
func BenchmarkIssueX509(b *testing.B) {
	a := mustOpen(b, testConfig(b))
	st, r := a.state.Load(), request{id: testID(b, "/job/a")}
	for b.Loop() {
		if _, err := a.issueX509(b.Context(), st, r); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFirstSVID is what a new process waits for: connection, attestation by
// user and path, issue, message.
func BenchmarkFirstSVID(b *testing.B) {
	_, socket := started(b, mine(b, "/job/a"))
	for b.Loop() {
		if _, err := workloadapi.FetchX509SVID(b.Context(), workloadapi.WithAddr("unix://"+socket)); err != nil {
			b.Fatal(err)
		}
	}
}
