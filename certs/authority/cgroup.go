// SPDX-License-Identifier: Apache-2.0

package authority

import "strings"

// systemSlice is where units of the system manager are; no other user may make
// groups there.
const systemSlice = "/system.slice/"

// unitOf returns the unit path below /system.slice/ of the text of
// /proc/PID/cgroup, "" if the process is in none. systemd keeps units in the
// hierarchy it named, where there is one, else in the unified one (cgroups(7)).
func unitOf(text string) string {
	path, named := "", false
	for line := range strings.SplitSeq(text, "\n") {
		_, rest, _ := strings.Cut(line, ":")
		controllers, where, ok := strings.Cut(rest, ":")
		switch {
		case !ok:
		case controllers == "name=systemd":
			path, named = where, true
		case controllers == "" && !named:
			path = where
		}
	}
	unit, ok := strings.CutPrefix(path, systemSlice)
	if !ok {
		return ""
	}
	return unit
}
