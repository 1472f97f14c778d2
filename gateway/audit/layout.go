// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"
	"strconv"
	"strings"
)

// Names of AUDIT.md "Files", relative to the audit directory.
const (
	lockName       = "lock"
	keyName        = "key"
	checkpointName = "checkpoint"
	segmentDir     = "segments"
	tileDir        = "tile"
	indexDir       = "index"
	tempSuffix     = ".new" // of a file that will replace another one
)

const segmentSuffix = ".jsonl"

// segmentName is the file of the segment whose first record is first.
func segmentName(first uint64) string {
	return fmt.Sprintf("%s/%020d%s", segmentDir, first, segmentSuffix)
}

func indexName(first uint64) string { return fmt.Sprintf("%s/%020d.skip", indexDir, first) }

// parseSegments turns the names in segments/ into the numbers of the first
// records. A name of any other kind is somebody's tampering or mistake.
func parseSegments(names []string) ([]uint64, error) {
	firsts := make([]uint64, 0, len(names))
	for _, name := range names {
		digits, ok := strings.CutSuffix(name, segmentSuffix)
		first, err := strconv.ParseUint(digits, 10, 63)
		if !ok || err != nil || segmentName(first) != segmentDir+"/"+name {
			return nil, &Fault{File: segmentDir + "/" + name, What: "this is not the name of a segment"}
		}
		firsts = append(firsts, first)
	}
	return firsts, nil
}
