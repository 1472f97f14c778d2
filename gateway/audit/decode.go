// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// decodeRecord decodes one line without its newline, strictly: encoding the
// result again must give the same bytes. That one comparison refuses unknown
// and repeated names, other orders, spaces, other spellings of a string or
// number, invalid UTF-8 and raw control bytes. scratch is reused for it.
func decodeRecord(b []byte, scratch []byte) (Record, []byte, error) {
	var r Record
	if len(b) > MaxRecord {
		return r, scratch, fmt.Errorf("%d bytes, at most %d are allowed", len(b), MaxRecord)
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return r, scratch, fmt.Errorf("not a record: %w", err)
	}
	if r.Version != Version {
		return r, scratch, fmt.Errorf("schema v%d; this build reads v%d", r.Version, Version)
	}
	scratch = appendLine(scratch[:0], &r)
	if !bytes.Equal(b, scratch) {
		return r, scratch, explain(b, scratch)
	}
	if !r.Phase.known() {
		return r, scratch, fmt.Errorf("unknown phase %q", r.Phase)
	}
	return r, scratch, nil
}

// explain finds words for why got is not the canonical want.
func explain(got, want []byte) error {
	d := json.NewDecoder(bytes.NewReader(got))
	d.DisallowUnknownFields()
	if err := d.Decode(new(Record)); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("not a record: %w", err)
	}
	at := 0
	for at < len(got) && at < len(want) && got[at] == want[at] {
		at++
	}
	return fmt.Errorf("not written as records are, from byte %d of the line on", at)
}
