// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// peak is the most memory that a process had resident so far, in bytes.
func peak(pid int) (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 64)
			return kib * 1024, err
		}
	}
	return 0, fmt.Errorf("no VmHWM in the status of process %d", pid)
}

// cpuSeconds is how much CPU time a process used so far.
func cpuSeconds(pid int) (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(b), ") ") // the name may hold anything
	var f [13]string
	if n := copy(f[:], strings.Fields(rest)); n < len(f) {
		return 0, fmt.Errorf("reading the CPU time of process %d: %d fields", pid, n)
	}
	user, uerr := strconv.ParseFloat(f[11], 64)
	system, serr := strconv.ParseFloat(f[12], 64)
	const ticks = 100 // a second, on every Linux that Go runs on
	return (user + system) / ticks, errors.Join(uerr, serr)
}

// familySeconds is cpuSeconds of a process and its children.
func familySeconds(pid int) (sum float64, err error) {
	family, err := childrenOf(pid)
	if err != nil {
		return 0, err
	}
	for _, member := range append(family, pid) {
		seconds, err := cpuSeconds(member)
		if err != nil {
			return 0, err
		}
		sum += seconds
	}
	return sum, nil
}

func childrenOf(pid int) (all []int, err error) {
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) // each thread has its own
	if err != nil {
		return nil, err
	}
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // a thread that has ended
		}
		if err != nil {
			return nil, err
		}
		for _, word := range strings.Fields(string(text)) {
			child, err := strconv.Atoi(word)
			if err != nil {
				return nil, err
			}
			all = append(all, child)
		}
	}
	return all, nil
}

// conditions says under which circumstances figures came about.
func conditions() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "load unknown"
	}
	return "load " + strings.Join(strings.Fields(string(b))[:3], " ")
}
