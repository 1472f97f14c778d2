// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"os"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway/s3api"
)

// The event column of S3.md, "Operations" is what the record is called.
func TestEventsAreDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("s3api/S3.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]string{}
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(line, "|") // | operation | request | verb | event |
		if len(cells) != 6 {
			continue
		}
		event, _, _ := strings.Cut(strings.TrimSpace(cells[4]), ",")
		for i, name := range strings.Split(cells[1], "`") {
			if i%2 == 1 {
				documented[name] = event
			}
		}
	}
	seen := 0
	for _, row := range s3api.Operations() {
		act, ok := actionOf(row.Op)
		if !ok {
			continue
		}
		seen++
		if documented[row.Name] != act.event {
			t.Errorf("%s is recorded as %s, documented %q", row.Name, act.event, documented[row.Name])
		}
	}
	if seen < 30 {
		t.Errorf("only %d operations were compared", seen)
	}
}
