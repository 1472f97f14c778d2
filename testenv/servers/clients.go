// SPDX-License-Identifier: Apache-2.0

package servers

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Curl returns the path of curl.
func Curl(tb testing.TB) string {
	tb.Helper()
	notShort(tb)
	return installed(tb, "curl", "curl")
}

// Rclone returns the path of rclone, which has spoken --client-cert for longer
// than any version that Debian still carries.
func Rclone(tb testing.TB) string {
	tb.Helper()
	notShort(tb)
	return installed(tb, "rclone", "rclone")
}

// installed returns the path of a program, installing its Debian package if it
// is absent and this process may.
func installed(tb testing.TB, program, debian string) string {
	tb.Helper()
	if path, err := exec.LookPath(program); err == nil {
		return path
	}
	withApt(tb, debian, func() error {
		if _, err := exec.LookPath(program); err == nil {
			return nil // another process did it while this one waited
		}
		return aptInstall(debian)
	})
	path, err := exec.LookPath(program)
	if err != nil {
		tb.Fatalf("after installing %s: %v", debian, err)
	}
	return path
}

// withApt calls install if this process may install packages, while no other
// process of tests does.
func withApt(tb testing.TB, debian string, install func() error) {
	tb.Helper()
	if _, err := exec.LookPath("apt-get"); err != nil || os.Geteuid() != 0 {
		tb.Fatalf("%s is not installed; install it (on Debian: apt-get install %s)", debian, debian)
	}
	dir, err := cacheDir()
	if err != nil {
		tb.Fatal(err)
	}
	unlock, err := lockFile(filepath.Join(dir, "apt.lock"))
	if err != nil {
		tb.Fatal(err)
	}
	defer unlock()
	if err := install(); err != nil {
		tb.Fatalf("installing %s: %v", debian, err)
	}
}

// aptInstall installs a package; only if that fails are the lists refreshed.
func aptInstall(debian string) error {
	install := []string{"apt-get", "install", "-y", "--no-install-recommends", debian}
	if err := command(install...); err != nil {
		return errors.Join(command("apt-get", "update"), command(install...))
	}
	return nil
}

// command runs a command that others may be waiting for, so it has no context.
func command(args ...string) error {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%v: %w\n%s", args, err, out.Bytes()[max(0, out.Len()-2000):])
	}
	return nil
}
