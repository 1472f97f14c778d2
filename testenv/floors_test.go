// SPDX-License-Identifier: Apache-2.0

package testenv

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/sealgate/sealgate"

// floors lists every package tree with the floor it lives on; the longest
// matching path counts. A package imports only lower floors
// (cmd/sealgate/doc/ARCHITECTURE.md, "Floors").
var floors = map[string]int{
	"envelope":         0,
	"certs":            0,
	"gateway/internal": 0,
	"gateway/s3api":    1,
	"gateway/policy":   1,
	"gateway/audit":    1,
	"gateway/store":    1,
	"gateway/state":    1,
	"gateway/config":   1,
	"gateway/session":  2,
	"rotation":         2,
	"gateway":          3,
	"gateway/control":  4,
	"cmd":              5,
	"testenv":          6,
}

// adapters are chosen in one place of a program: its wiring.
var adapters = []string{
	"envelope/kek/local", "certs/workload", "certs/pemfile", "certs/authority", "gateway/store/disk", "gateway/store/s3",
}

// testOnly packages serve tests of others, whatever their floor.
var testOnly = []string{"envelope/kek/kektest", "certs/certstest", "gateway/store/storetest", "testenv"}

func TestFloors(t *testing.T) {
	t.Parallel()
	seen := 0
	for path, file := range sources(t) {
		seen++
		from := packageOf(path)
		for _, imp := range file.Imports {
			checkImport(t, path, from, strings.Trim(imp.Path.Value, `"`))
		}
	}
	if seen < 50 {
		t.Fatalf("only %d files were looked at: the walk is broken", seen)
	}
}

func checkImport(t *testing.T, path, from, imported string) {
	t.Helper()
	test := strings.HasSuffix(path, "_test.go")
	if under(from, "envelope") && !under(from, "envelope/kek") && !test {
		for _, no := range []string{"net", "net/http", "os", "io/fs", "database/sql"} {
			if imported == no {
				t.Errorf("%s imports %s: envelope does no I/O of its own", path, no)
			}
		}
	}
	to, ours := strings.CutPrefix(imported, module+"/")
	if !ours {
		return
	}
	switch {
	case slices.ContainsFunc(testOnly, func(p string) bool { return under(to, p) }):
		if !test && !slices.ContainsFunc(testOnly, func(p string) bool { return under(from, p) }) {
			t.Errorf("%s imports %s, which is for tests", path, to)
		}
	case test || under(from, "testenv"):
	case slices.Contains(adapters, to) && from != to:
		if !under(from, "cmd") || filepath.Base(path) != "wire.go" {
			t.Errorf("%s imports the adapter %s: only cmd/*/wire.go does", path, to)
		}
	case tree(from) == tree(to):
	case floorOf(t, to) >= floorOf(t, from) && !allowedSibling(from, to):
		t.Errorf("%s (floor %d) imports %s (floor %d)", path, floorOf(t, from), to, floorOf(t, to))
	}
}

// allowedSibling: the adapters of a floor's interfaces live beside them.
func allowedSibling(from, to string) bool {
	return under(from, to)
}

func floorOf(t *testing.T, pkg string) int {
	t.Helper()
	f, ok := floors[tree(pkg)]
	if !ok {
		t.Fatalf("package %s has no floor", pkg)
	}
	return f
}

// tree gives the longest entry of floors that holds pkg.
func tree(pkg string) string {
	best := ""
	for f := range floors {
		if under(pkg, f) && len(f) > len(best) {
			best = f
		}
	}
	return best
}

func under(pkg, dir string) bool { return pkg == dir || strings.HasPrefix(pkg, dir+"/") }

func packageOf(path string) string { return filepath.ToSlash(filepath.Dir(path)) }

// sources parses every Go file of the module, with paths from its root. It
// reads the files itself, so that the test cache sees them change.
func sources(t *testing.T) map[string]*ast.File {
	t.Helper()
	files := map[string]*ast.File{}
	root := os.DirFS("..")
	err := fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != "." || d.Name() == "testdata" || nested(root, path)):
			return fs.SkipDir
		case !strings.HasSuffix(path, ".go"):
			return nil
		}
		b, err := fs.ReadFile(root, path)
		if err != nil {
			return err
		}
		files[path], err = parser.ParseFile(token.NewFileSet(), path, b, parser.ParseComments)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// nested says whether a folder is a module of its own.
func nested(root fs.FS, dir string) bool {
	_, err := fs.Stat(root, filepath.ToSlash(filepath.Join(dir, "go.mod")))
	return err == nil && dir != "."
}

// TestLayout holds the top level to what it is meant to be.
func TestLayout(t *testing.T) {
	t.Parallel()
	allowed := []string{"cmd", "gateway", "envelope", "rotation", "certs", "testenv", "go.mod", "go.sum", "Makefile", "README.md", "LICENSE"}
	entries, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if n := e.Name(); !slices.Contains(allowed, n) && !strings.HasPrefix(n, ".") && n != "bin" && n != "tour" {
			t.Errorf("%s does not belong at the top level", n)
		}
	}
}

// TestStyle holds every file to its licence line, and code files to a size
// that one idea has.
func TestStyle(t *testing.T) {
	t.Parallel()
	for path, file := range sources(t) {
		if len(file.Comments) == 0 || !strings.HasPrefix(file.Comments[0].List[0].Text, "// SPDX-License-Identifier: Apache-2.0") {
			t.Errorf("%s does not begin with its SPDX line", path)
		}
		b, err := os.ReadFile(filepath.Join("..", path))
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(b), "\n"); n > 400 && !strings.HasSuffix(path, "_test.go") {
			t.Errorf("%s has %d lines: more than one idea", path, n)
		}
	}
}
