// SPDX-License-Identifier: Apache-2.0

package authority

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/workloadapi"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// byExec is an entry for one program of this test's own user.
func byExec(tb testing.TB, id, path string) Entry {
	tb.Helper()
	e := mine(tb, id)
	e.Exec = path
	return e
}

// TestExecutables: three copies of one program get three identities, a fourth none.
func TestExecutables(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name      string
		peerPidfd bool
	}{{"SO_PEERPIDFD", true}, {"pidfd_open", false}} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			a := mustOpen(t, testConfig(t))
			if tc.peerPidfd && !a.host.peerPidfd {
				t.Skip("needs Linux 6.5 for SO_PEERPIDFD")
			}
			a.host.peerPidfd = tc.peerPidfd
			socket, dir := serve(t, a), sharedDir(t)
			for _, name := range []string{"deployer", "trainer", "reader", "intruder"} {
				path := filepath.Join(dir, name)
				copySelf(t, path)
				want := codes.PermissionDenied.String()
				if name != "intruder" {
					want = mustAdd(t, a, byExec(t, "/job/"+name, path)).SPIFFE.String()
				}
				if got := fetchAs(t, path, socket, nil); got != want {
					t.Errorf("%s: want %s, got %s", name, want, got)
				}
			}
		})
	}
}

// TestExecHash: the digest is that of the file that runs; one byte more is another
// program, at whatever path.
func TestExecHash(t *testing.T) {
	t.Parallel()
	a, socket := started(t)
	dir := sharedDir(t)
	good, evil := filepath.Join(dir, "good"), filepath.Join(dir, "evil")
	copySelf(t, good)
	copySelf(t, evil)
	f, err := os.OpenFile(evil, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte{0}); err != nil {
		t.Fatal(err)
	}
	f.Close()
	e := mine(t, "/job/hashed")
	e.ExecSHA256 = hashOf(t, good)
	mustAdd(t, a, e)
	if got := fetchAs(t, good, socket, nil); got != e.SPIFFE.String() {
		t.Errorf("the program: want %s, got %s", e.SPIFFE, got)
	}
	if got := fetchAs(t, evil, socket, nil); got != codes.PermissionDenied.String() {
		t.Errorf("a changed copy: want PermissionDenied, got %s", got)
	}
}

// TestUsers: another user is another identity, an unknown one none, nobody never.
func TestUsers(t *testing.T) {
	needRoot(t)
	t.Parallel()
	a, socket := started(t)
	path := filepath.Join(sharedDir(t), "workload")
	copySelf(t, path)
	mustAdd(t, a, Entry{SPIFFE: testID(t, "/user/4001"), UID: new(uint32(4001))})
	mustAdd(t, a, Entry{SPIFFE: testID(t, "/group/4002"), GID: new(uint32(4002))})
	mustAdd(t, a, Entry{SPIFFE: testID(t, "/both"), UID: new(uint32(4003)), GID: new(uint32(4003))})
	mustAdd(t, a, Entry{SPIFFE: testID(t, "/program"), UID: new(uint32(4004)), Exec: path})
	for _, tc := range []struct {
		name     string
		uid, gid uint32
		want     string
	}{
		{"by user", 4001, 9, "spiffe://test.local/user/4001"},
		{"by group", 9, 4002, "spiffe://test.local/group/4002"},
		{"both hold", 4003, 4003, "spiffe://test.local/both"},
		{"user without the group", 4003, 9, "PermissionDenied"},
		{"group without the user", 9, 4003, "PermissionDenied"},
		{"by user and program", 4004, 9, "spiffe://test.local/program"},
		{"program of another user", 9, 9, "PermissionDenied"},
		{"nobody, in a group that has an entry", nobodyID, 4002, "PermissionDenied"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got := fetchAs(t, path, socket, &syscall.Credential{Uid: tc.uid, Gid: tc.gid}); got != tc.want {
				t.Errorf("want %s, got %s", tc.want, got)
			}
		})
	}
}

// passed runs path in a helper mode that gives its connection away, and returns a
// Workload API client on that connection, and the running helper.
func passed(t *testing.T, path, mode, socket string, args ...string) (*workloadapi.Client, *exec.Cmd) {
	t.Helper()
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	here, there := os.NewFile(uintptr(pair[0]), "here"), os.NewFile(uintptr(pair[1]), "there")
	defer here.Close()
	cmd := workloadCmd(path, mode, socket, args...)
	cmd.ExtraFiles, cmd.Stderr = []*os.File{there}, os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stdin.Close(); cmd.Wait() }) //nolint:errcheck // some have been waited for
	there.Close()
	conn := receiveConn(t, here)
	dial := grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) { return conn, nil })
	c, err := workloadapi.New(t.Context(), workloadapi.WithAddr("unix://"+socket), workloadapi.WithDialOptions(dial))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, cmd
}

// TestExecAfterConnect: a process that connects, hands the socket on and then
// becomes the allowed program gives nobody that program's identity.
func TestExecAfterConnect(t *testing.T) {
	t.Parallel()
	a, socket := started(t)
	dir := sharedDir(t)
	intruder, allowed := filepath.Join(dir, "intruder"), filepath.Join(dir, "allowed")
	copySelf(t, intruder)
	copySelf(t, allowed)
	mustAdd(t, a, byExec(t, "/job/allowed", allowed))
	c, cmd := passed(t, intruder, "pass-exec", socket, allowed)
	waitUntil(t, "the process is the allowed program", func() bool {
		path, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", cmd.Process.Pid))
		return err == nil && path == allowed
	})
	x, err := c.FetchX509Context(t.Context())
	if status.Code(err) != codes.PermissionDenied || !strings.Contains(err.Error(), errOther.Error()) {
		t.Errorf("want PermissionDenied because it runs another file, got %v, %v", x, err)
	}
}

// TestRecycledProcessID: the connection of a process that has ended is worth
// nothing, even where an allowed program got its process id.
func TestRecycledProcessID(t *testing.T) {
	needRoot(t)
	for _, tc := range []struct {
		name      string
		peerPidfd bool
	}{{"SO_PEERPIDFD", true}, {"pidfd_open", false}} {
		t.Run(tc.name, func(t *testing.T) {
			a := mustOpen(t, testConfig(t))
			a.host.peerPidfd = tc.peerPidfd && a.host.peerPidfd
			socket, dir := serve(t, a), sharedDir(t)
			intruder, allowed := filepath.Join(dir, "intruder"), filepath.Join(dir, "allowed")
			copySelf(t, intruder)
			copySelf(t, allowed)
			mustAdd(t, a, byExec(t, "/job/allowed", allowed))
			mustAdd(t, a, mine(t, "/job/any"))
			c, cmd := passed(t, intruder, "pass", socket)
			if err := cmd.Wait(); err != nil {
				t.Fatal(err)
			}
			takePID(t, allowed, cmd.Process.Pid)
			x, err := c.FetchX509Context(t.Context())
			if status.Code(err) != codes.PermissionDenied || !strings.Contains(err.Error(), errGone.Error()) {
				t.Errorf("want PermissionDenied because the process has ended, got %v, %v", x, err)
			}
		})
	}
}

// takePID starts path with the given process id, which must be free.
func takePID(t *testing.T, path string, pid int) {
	t.Helper()
	const last = "/proc/sys/kernel/ns_last_pid"
	for range 200 {
		if err := os.WriteFile(last, []byte(strconv.Itoa(pid-1)), 0); err != nil {
			t.Skipf("needs the right to choose process ids: %v", err)
		}
		cmd := workloadCmd(path, "wait", "")
		stdin, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		end := func() { stdin.Close(); cmd.Wait() } //nolint:errcheck // it only waits
		if cmd.Process.Pid == pid {
			t.Cleanup(end)
			return
		}
		end()
	}
	t.Skip("the process id could not be taken again: others were faster")
}

// TestMountNamespace: a path that only the caller sees is not that path.
func TestMountNamespace(t *testing.T) {
	t.Parallel()
	if err := exec.Command("unshare", "-Urm", "true").Run(); err != nil {
		t.Skipf("needs unshare with user and mount namespaces: %v", err)
	}
	a, socket := started(t)
	dir := sharedDir(t)
	intruder, allowed := filepath.Join(dir, "intruder"), filepath.Join(dir, "allowed")
	copySelf(t, intruder)
	copySelf(t, allowed)
	mustAdd(t, a, byExec(t, "/job/allowed", allowed))
	script := `mount --bind "$0" "$1" && exec "$1"`
	cmd := workloadCmd("unshare", "fetch", socket, "-Urm", "sh", "-c", script, intruder, allowed)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Skipf("needs bind mounts in a user namespace: %v", err)
	}
	if got := strings.TrimSpace(string(out)); got != codes.PermissionDenied.String() {
		t.Errorf("want PermissionDenied, got %s", got)
	}
}

// TestReplacedFile: a program whose file was replaced while it runs is not the one
// at that path any more; its digest is that of what runs, not of what is there now.
func TestReplacedFile(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		entry func(e *Entry, path, old, replaced string)
		want  string
	}{
		{"by path", func(e *Entry, path, _, _ string) { e.Exec = path }, "PermissionDenied"},
		{"by the digest of what is there", func(e *Entry, _, _, replaced string) { e.ExecSHA256 = replaced }, "PermissionDenied"},
		{"by the digest of what runs", func(e *Entry, _, old, _ string) { e.ExecSHA256 = old }, "spiffe://test.local/job/a"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			a, socket := started(t)
			path := filepath.Join(sharedDir(t), "workload")
			copySelf(t, path)
			old := hashOf(t, path)
			goOn := fetchLater(t, path, socket)
			if err := os.WriteFile(path+".new", []byte("#!/bin/true"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(path+".new", path); err != nil {
				t.Fatal(err)
			}
			e := mine(t, "/job/a")
			tc.entry(&e, path, old, hashOf(t, path))
			mustAdd(t, a, e)
			if got := goOn(); got != tc.want {
				t.Errorf("want %s, got %s", tc.want, got)
			}
		})
	}
}

// fetchLater starts path as a workload that fetches when goOn is called.
func fetchLater(t *testing.T, path, socket string) (goOn func() string) {
	t.Helper()
	cmd := workloadCmd(path, "fetch-later", socket)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(stdout)
	if _, err := lines.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	return func() string {
		stdin.Close()
		got, err := io.ReadAll(lines)
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(got))
	}
}

// TestPidfdOpenChecksTheUser: before Linux 6.5, a process of another user that got
// the process id in between is noticed.
func TestPidfdOpenChecksTheUser(t *testing.T) {
	t.Parallel()
	me := &unix.Ucred{Pid: int32(os.Getpid()), Uid: uint32(os.Geteuid())}
	pidfd, err := openPidfd(me)
	if err != nil {
		t.Fatal(err)
	}
	pidfd.Close()
	me.Uid++
	if _, err := openPidfd(me); !errors.Is(err, errGone) {
		t.Errorf("want errGone, got %v", err)
	}
}

// TestUnreadableFileMatchesNothing: where the running file cannot be told, what
// depends on it does not hold, and what does not, does.
func TestUnreadableFileMatchesNothing(t *testing.T) {
	t.Parallel()
	c, _ := pinnedChild(t)
	c.process.exe.Close()
	c.process.exe = nil
	byUser := Entry{ID: "u", UID: new(uint32(7))}
	byPath := Entry{ID: "x", UID: new(uint32(7)), Exec: "/bin/x"}
	if got, _, err := c.entitled(t.Context(), []Entry{byUser, byPath}); err != nil || len(got) != 1 || got[0].ID != "u" {
		t.Errorf("want the entry by user, got %v, %v", got, err)
	}
	if err := c.process.confirm([]Entry{byPath}); !errors.Is(err, errOther) {
		t.Errorf("want a match by path not confirmed, got %v", err)
	}
}

// TestHashLimit: a file over the limit has no digest.
func TestHashLimit(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, make([]byte, 100), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if sum, err := hashFile(f, 100); err != nil || sum != hashOf(t, path) {
		t.Errorf("at the limit: %q, %v", sum, err)
	}
	if sum, err := hashFile(f, 99); !wantText(err, "over 99 bytes") || sum != "" {
		t.Errorf("over the limit: %q, %v", sum, err)
	}
}

// TestUnits: the whole cgroup path below /system.slice/ counts, nothing less.
func TestUnits(t *testing.T) {
	needRoot(t)
	t.Parallel()
	root := "/sys/fs/cgroup"
	if _, err := os.Stat(root + "/systemd/cgroup.procs"); err == nil {
		root += "/systemd"
	}
	name := fmt.Sprintf("sealgate-test-%d", os.Getpid())
	a, socket := started(t)
	path := filepath.Join(sharedDir(t), "workload")
	copySelf(t, path)
	mustAdd(t, a, Entry{SPIFFE: testID(t, "/unit"), Unit: name + ".service"})
	for _, tc := range []struct{ name, group, want string }{
		{"the unit", "system.slice/" + name + ".service", "spiffe://test.local/unit"},
		{"another unit", "system.slice/" + name + "-2.service", "PermissionDenied"},
		{"a group below it", "system.slice/" + name + ".service/sub", "PermissionDenied"},
		{"the same below another group", name + ".slice/system.slice/" + name + ".service", "PermissionDenied"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inGroup(t, root, tc.group, func() {
				cmd := workloadCmd("/bin/sh", "fetch", socket, "-c", `echo $$ > "$0/cgroup.procs" && exec "$1"`, filepath.Join(root, tc.group), path)
				out, err := cmd.Output()
				if err != nil {
					t.Skipf("needs the right to move processes between cgroups: %v", err)
				}
				if got := strings.TrimSpace(string(out)); got != tc.want {
					t.Errorf("want %s, got %s", tc.want, got)
				}
			})
		})
	}
}

// TestNoProcess: a caller whose process cannot be seen is its user and no more.
func TestNoProcess(t *testing.T) {
	t.Parallel()
	entries := []Entry{
		{ID: "u", UID: new(uint32(7))},
		{ID: "g", UID: new(uint32(7)), GID: new(uint32(8))},
		{ID: "x", UID: new(uint32(7)), Exec: "/bin/x"},
		{ID: "h", UID: new(uint32(7)), ExecSHA256: strings.Repeat("0", 64)},
		{ID: "s", Unit: "x.service"},
	}
	got, _, err := (&caller{uid: 7, gid: 8}).entitled(t.Context(), entries)
	if err != nil || len(got) != 2 || got[0].ID != "u" || got[1].ID != "g" {
		t.Errorf("want u and g, got %v, %v", got, err)
	}
}

// TestUnreadableAtLoad: entries that could never match here stop the start, instead
// of silently matching nobody.
func TestUnreadableAtLoad(t *testing.T) {
	needRoot(t)
	t.Parallel()
	dir := sharedDir(t)
	path := filepath.Join(dir, "gateway")
	copySelf(t, path)
	own := filepath.Join(dir, "authority")
	if err := os.Mkdir(own, 0o700); err != nil {
		t.Fatal(err)
	}
	doc := `{"version":1,"entries":[{"id":"e","spiffe_id":"spiffe://test.local/x","uid":4002,"exec":"/bin/none"}]}`
	if err := os.WriteFile(filepath.Join(own, "entries.json"), []byte(doc), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{own, filepath.Join(own, "entries.json")} {
		if err := os.Chown(p, 4001, 4001); err != nil {
			t.Fatal(err)
		}
	}
	cmd := workloadCmd(path, "open", "", own)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 4001, Gid: 4001}}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "CAP_SYS_PTRACE") {
		t.Errorf("want an error that names CAP_SYS_PTRACE, got %s, %v", out, err)
	}
}

func waitUntil(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	tb.Fatalf("it did not come to pass that %s", what)
}

// inGroup makes a cgroup for f.
func inGroup(t *testing.T, root, group string, f func()) {
	t.Helper()
	var made []string
	dir := root
	for part := range strings.SplitSeq(group, "/") {
		dir = filepath.Join(dir, part)
		if err := os.Mkdir(dir, 0o755); err == nil {
			made = append(made, dir)
		} else if !os.IsExist(err) {
			t.Skipf("needs the right to make cgroups: %v", err)
		}
	}
	defer func() {
		for i := len(made) - 1; i >= 0; i-- {
			if err := os.Remove(made[i]); err != nil {
				t.Logf("removing a cgroup: %v", err)
			}
		}
	}()
	f()
}

// TestGoneAtAccept: a process that had ended when it was to be pinned is refused,
// also where its user alone would be enough.
func TestGoneAtAccept(t *testing.T) {
	t.Parallel()
	got, _, err := (&caller{uid: 7, fault: errGone}).entitled(t.Context(), []Entry{{ID: "u", UID: new(uint32(7))}})
	if !errors.Is(err, errGone) || got != nil {
		t.Errorf("want errGone, got %v, %v", got, err)
	}
}
