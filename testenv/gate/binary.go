// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// builds holds one build for each set of tags; a test process makes each at
// most once, and go build's own cache makes it cheap.
var builds sync.Map // tags -> *build

type build struct {
	once sync.Once
	path string
	out  []byte
	err  error
}

// Binary gives the path of sealgate, built with tags such as "killpoints".
// Under -short the test is skipped: nothing is built or started then.
func Binary(t testing.TB, tags ...string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: builds and starts sealgate")
	}
	key := strings.Join(tags, ",")
	v, _ := builds.LoadOrStore(key, &build{})
	b := v.(*build)
	b.once.Do(func() {
		var dir string
		if dir, b.err = os.MkdirTemp("", "sealgate-bin-"); b.err != nil {
			return
		}
		b.path = filepath.Join(dir, "sealgate")
		race, env := raceArgs()
		args := append([]string{"build", "-trimpath", "-buildvcs=false", "-tags", key, "-o", b.path}, race...)
		cmd := exec.Command("go", append(args, "github.com/sealgate/sealgate/cmd/sealgate")...) //nolint:noctx // ends by itself
		cmd.Env = append(os.Environ(), env...)
		b.out, b.err = cmd.CombinedOutput()
	})
	if b.err != nil {
		t.Fatalf("building sealgate: %v\n%s", b.err, b.out)
	}
	return b.path
}

// Cleanup removes what Binary built; TestMain calls it.
func Cleanup() {
	builds.Range(func(_, v any) bool {
		if b := v.(*build); b.path != "" {
			_ = os.RemoveAll(filepath.Dir(b.path)) // left-overs in the temporary folder harm nobody
		}
		return true
	})
}

// WriteProgram writes a file that is run right after. A fork of this process in
// between would inherit it, open for writing: "text file busy".
func WriteProgram(t testing.TB, path string, text []byte) {
	t.Helper()
	syscall.ForkLock.RLock()
	err := os.WriteFile(path, text, 0o755)
	syscall.ForkLock.RUnlock()
	if err != nil {
		t.Fatal(err)
	}
}
