// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"bufio"
	"io"
	"os"
	"strings"
)

// ini holds a file in the form that AWS clients, rclone and DVC share: section
// to key to value. A key below another, as in AWS's "s3 =", is OUTER.KEY.
type ini map[string]map[string]string

// maxFile bounds what is read of a client's file, in bytes.
const maxFile = 1 << 20

// readINI reads a file; one that is not there is empty.
func readINI(path string) (ini, error) {
	f, err := os.Open(path)
	if os.IsNotExist(err) {
		return ini{}, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read side
	return parseINI(io.LimitReader(f, maxFile))
}

func parseINI(r io.Reader) (ini, error) {
	file := ini{}
	section, outer := "", ""
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		raw := lines.Text()
		line := strings.TrimSpace(raw)
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		if name, ok := strings.CutPrefix(line, "["); ok {
			section, outer = strings.TrimSpace(strings.TrimSuffix(name, "]")), ""
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			continue // a client would not read it either
		}
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		indented := raw[0] == ' ' || raw[0] == '\t'
		if file[section] == nil {
			file[section] = map[string]string{}
		}
		switch {
		case indented && outer != "":
			file[section][outer+"."+key] = value
			continue
		case value == "":
			outer = key
		default:
			outer = ""
		}
		file[section][key] = value
	}
	return file, lines.Err()
}
