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

// Python returns the python3 of a virtual environment that holds exactly the
// packages of python/requirements.txt, boto3 among them.
func Python(tb testing.TB) string {
	tb.Helper()
	notShort(tb)
	requirements := filepath.Join(sourceDir(tb, "python"), "requirements.txt")
	system := installed(tb, "python3", "python3-venv")
	text, err := os.ReadFile(requirements)
	version, err2 := exec.CommandContext(tb.Context(), system, "--version").Output()
	if err := errors.Join(err, err2); err != nil {
		tb.Fatal(err)
	}
	// A virtual environment knows its own path, so it is made in place: what
	// marks it complete is a file, made last.
	name := "python-" + digest(text, version)
	done := cached(tb, name+".done", func(path string) error {
		tb.Log("making the Python environment, once")
		venv := filepath.Join(filepath.Dir(path), name)
		return errors.Join(makeVenv(system, venv, requirements), os.WriteFile(path, text, 0o600))
	})
	return filepath.Join(filepath.Dir(done), name, "bin", "python3")
}

func makeVenv(system, venv, requirements string) error {
	if err := command(system, "-m", "venv", "--clear", venv); err != nil {
		return fmt.Errorf("%w (on Debian: apt-get install python3-venv)", err)
	}
	return command(filepath.Join(venv, "bin", "python3"), "-m", "pip", "install", "--quiet", "--requirement", requirements)
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
