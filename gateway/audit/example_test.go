// SPDX-License-Identifier: Apache-2.0

package audit_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/sealgate/sealgate/gateway/audit"
)

// One read, one refused write, and what verifying and searching say of them.
func Example() {
	ctx := context.Background()
	tmp, err := os.MkdirTemp("", "audit")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(tmp)
	dir := filepath.Join(tmp, "audit")

	l, err := audit.Open(audit.Config{Dir: dir})
	if err != nil {
		log.Fatal(err)
	}
	known := []audit.Registration{l.Registration()} // kept outside of the log

	who := "spiffe://acme.ai/ns/fraud/train"
	p, err := l.Begin(ctx, audit.Event{
		Event: "artifact.read", Actor: who, Action: "GetObject", Bucket: "datasets", Key: "fraud/train.csv", Decision: "allow",
	})
	if err != nil {
		log.Fatal(err) // answer 503; nothing has been disclosed
	}
	// Here, and not before, the bytes leave.
	if err := p.End(ctx, audit.Outcome{Status: 200, BytesSent: 1000}); err != nil {
		log.Fatal(err)
	}
	_, err = l.Deny(ctx, audit.Event{
		Event: "artifact.write", Actor: who, Action: "PutObject", Bucket: "models", Key: "fraud/prod/v1", Decision: "deny", Reason: "no_grant",
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := l.Close(ctx); err != nil {
		log.Fatal(err)
	}

	report, err := audit.Verify(dir, audit.VerifyOptions{Registered: known})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(report.Records, "records;", report.String()[len("log 00000000: "):])
	err = audit.Search(dir, audit.SearchQuery{Path: "models/fraud/**", Decision: "deny"}, func(m audit.Match) bool {
		fmt.Println(m.Record.Action, m.Record.Path(), m.Record.Reason)
		return true
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// 5 records; 5 records, 1 segment, 1 checkpoint: no gap, no change, every intent has its outcome
	// PutObject models/fraud/prod/v1 no_grant
}
