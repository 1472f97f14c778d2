// SPDX-License-Identifier: Apache-2.0

package servers

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Python returns the python3 of a virtual environment that holds exactly the
// packages of python/requirements.txt, boto3 among them.
func Python(tb testing.TB) string {
	tb.Helper()
	return venv(tb, "python")
}

// MLPython returns the python3 of a virtual environment with the libraries of
// machine learning that speak S3: mlpython/requirements.txt. Its one to two
// gigabytes are for "make clients" alone.
func MLPython(tb testing.TB) string {
	tb.Helper()
	return venv(tb, "mlpython")
}

// venv returns the python3 of a virtual environment that holds exactly the
// packages of elem/requirements.txt.
func venv(tb testing.TB, elem string) string {
	tb.Helper()
	notShort(tb)
	requirements := filepath.Join(sourceDir(tb, elem), "requirements.txt")
	system := installed(tb, "python3", "python3-venv")
	text, err := os.ReadFile(requirements)
	version, err2 := exec.CommandContext(tb.Context(), system, "--version").Output()
	if err := errors.Join(err, err2); err != nil {
		tb.Fatal(err)
	}
	// A virtual environment knows its own path, so it is made in place: what
	// marks it complete is a file, made last.
	name := elem + "-" + digest(text, version)
	done := cached(tb, name+".done", func(path string) error {
		tb.Logf("making the Python environment %s, once", elem)
		dir := filepath.Join(filepath.Dir(path), name)
		return errors.Join(makeVenv(system, dir, requirements), os.WriteFile(path, text, 0o600))
	})
	return filepath.Join(filepath.Dir(done), name, "bin", "python3")
}

// makeVenv installs what the file names and nothing else: it is complete, so
// pip need not look for what its packages need.
func makeVenv(system, dir, requirements string) error {
	if err := command(system, "-m", "venv", "--clear", dir); err != nil {
		return fmt.Errorf("%w (on Debian: apt-get install python3-venv)", err)
	}
	python := filepath.Join(dir, "bin", "python3")
	err := command(python, "-m", "pip", "install", "--quiet", "--no-deps", "--requirement", requirements)
	if err != nil {
		return err
	}
	return command(python, "-m", "pip", "check")
}
