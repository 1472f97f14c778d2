// SPDX-License-Identifier: Apache-2.0

package authority

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

const (
	maxExecFile = 512 << 20 // bytes that are hashed
	maxProcFile = 64 << 10  // bytes of a text file in /proc
)

var (
	errGone    = errors.New("the process that connected has ended")
	errOther   = errors.New("the process runs another file than when it connected")
	hashPlaces = make(chan struct{}, 2) // bounds the files hashed at a time
)

// process is a pinned process: as long as alive says so, its id is its own.
type process struct {
	dir string // /proc/PID

	pidfd *os.File
	// exe is the file that ran when the connection was accepted, opened with O_PATH:
	// while it is open, no other file can get its inode number. Nil if it may not
	// be read.
	exe *os.File

	// What was once found out about exe stays true for as long as it runs.
	mu         sync.Mutex
	path, hash string // guarded by mu
}

// pin opens what is needed to look at a process again and again. pidfd becomes the
// result's, also on an error.
func pin(pid int, pidfd *os.File) (*process, error) {
	p := &process{dir: "/proc/" + strconv.Itoa(pid), pidfd: pidfd}
	fd, err := unix.Open(p.dir+"/exe", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err == nil {
		p.exe = os.NewFile(uintptr(fd), "exe")
	}
	if !p.alive() {
		p.close()
		return nil, errGone
	}
	return p, nil
}

func (p *process) close() {
	_ = p.pidfd.Close() // only looked at
	if p.exe != nil {
		_ = p.exe.Close() // only looked at
	}
}

// alive reports whether the process has not ended: a pidfd becomes readable then
// (pidfd_open(2)).
func (p *process) alive() bool {
	alive := false
	err := control(p.pidfd, func(fd int) {
		for {
			n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
			if err == unix.EINTR {
				continue
			}
			alive = err == nil && n == 0
			return
		}
	})
	return err == nil && alive
}

// confirm is called after everything else was read: only if the process still
// lives, and still runs what it ran at accept, was it this process that was read.
// Where the running file cannot be told any more, nothing that depends on it holds.
func (p *process) confirm(matched []Entry) error {
	file := p.running()
	switch {
	case !p.alive():
		return errGone
	case file == fileOther, file == fileUnknown && slices.ContainsFunc(matched, Entry.needsExec):
		return errOther
	}
	return nil
}

// runningFile is how the file that runs now compares with exe.
type runningFile uint8

const (
	fileUnknown runningFile = iota // it may not be read, or might not be at accept
	fileSame
	fileOther
)

// running compares inodes and not paths: a path can lead to another file by now.
func (p *process) running() runningFile {
	if p.exe == nil {
		return fileUnknown
	}
	now, errNow := statPath(p.dir + "/exe")
	then, errThen := statFile(p.exe)
	switch {
	case errNow != nil || errThen != nil:
		return fileUnknown
	case now != then:
		return fileOther
	}
	return fileSame
}

// unit returns the systemd unit, "" if there is none.
func (p *process) unit() string {
	text, err := readProc(p.dir + "/cgroup")
	if err != nil {
		return ""
	}
	return unitOf(text)
}

// execPath returns the path of exe, "" if it is not known. The text of the link is
// not enough: in a mount namespace of its own any user can make it any path. So
// the path counts only if it leads here to the very file that runs.
func (p *process) execPath() string {
	if p.running() != fileSame {
		return ""
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.path != "" {
		return p.path
	}
	path, err := os.Readlink(p.dir + "/exe")
	if err != nil {
		return ""
	}
	there, err := statPath(path)
	if err != nil {
		return ""
	}
	if runs, err := statFile(p.exe); err != nil || there != runs {
		return ""
	}
	p.path = path
	return path
}

// execHash returns the SHA-256 of exe in hex.
func (p *process) execHash(ctx context.Context) (string, error) {
	if p.running() != fileSame {
		return "", errors.New("the running file may not be read, or is another one by now")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hash != "" {
		return p.hash, nil
	}
	select {
	case hashPlaces <- struct{}{}:
		defer func() { <-hashPlaces }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	sum, err := hashFile(p.exe, maxExecFile)
	if err == nil {
		p.hash = sum
	}
	return sum, err
}

// hashFile reads through the file that is pinned, whatever its path leads to now.
// limit is in bytes.
func hashFile(pinned *os.File, limit int64) (sum string, err error) {
	var h *os.File
	if errFD := control(pinned, func(fd int) { h, err = os.Open("/proc/self/fd/" + strconv.Itoa(fd)) }); errFD != nil {
		return "", errFD
	}
	if err != nil {
		return "", fmt.Errorf("opening the running file: %w", err)
	}
	defer h.Close() //nolint:errcheck // read side
	digest := sha256.New()
	n, err := io.Copy(digest, io.LimitReader(h, limit+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("reading the running file: %w", err)
	case n > limit:
		return "", fmt.Errorf("the running file has over %d bytes", limit)
	}
	return hex.EncodeToString(digest.Sum(nil)), nil
}

// control calls f with the descriptor, which cannot be closed and reused meanwhile.
func control(file *os.File, f func(fd int)) error {
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Control(func(fd uintptr) { f(int(fd)) })
}

// inode tells files apart.
type inode struct{ dev, ino uint64 }

func statPath(path string) (inode, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return inode{}, err
	}
	return inode{st.Dev, st.Ino}, nil
}

func statFile(file *os.File) (inode, error) {
	var st unix.Stat_t
	var err error
	if errFD := control(file, func(fd int) { err = unix.Fstat(fd, &st) }); errFD != nil {
		return inode{}, errFD
	}
	return inode{st.Dev, st.Ino}, err
}

func readProc(path string) (string, error) {
	h, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer h.Close() //nolint:errcheck // read side
	data, err := io.ReadAll(io.LimitReader(h, maxProcFile))
	return string(data), err
}

// birth is what tells two processes with one id apart: the start time in clock
// ticks since boot (proc_pid_stat(5), field 22) and the effective user.
type birth struct {
	start uint64
	euid  uint32
}

func birthOf(pid int) (birth, error) {
	dir := "/proc/" + strconv.Itoa(pid)
	stat, err := readProc(dir + "/stat")
	if err != nil {
		return birth{}, err
	}
	// The second field is the program's name in brackets and may hold anything.
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 20 {
		return birth{}, errors.New("the process's stat file is too short")
	}
	start, err := strconv.ParseUint(fields[19], 10, 64)
	if err != nil {
		return birth{}, err
	}
	euid, err := effectiveUser(dir)
	return birth{start, euid}, err
}

// effectiveUser reads the second number of the line "Uid:", proc_pid_status(5).
func effectiveUser(dir string) (uint32, error) {
	status, err := readProc(dir + "/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.SplitSeq(status, "\n") {
		ids, ok := strings.CutPrefix(line, "Uid:")
		if f := strings.Fields(ids); ok && len(f) >= 2 {
			n, err := strconv.ParseUint(f[1], 10, 32)
			return uint32(n), err
		}
	}
	return 0, errors.New("the process's status file names no user")
}
