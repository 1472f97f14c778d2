// SPDX-License-Identifier: Apache-2.0

package stories

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/testenv/gate"
)

var (
	subcommand = regexp.MustCompile(`(?m)^  ([a-z-]+) +\S`)
	flagName   = regexp.MustCompile(`(?m)^ {2,6}(?:-\w, |    )--([a-z-]+)`)
)

// help splits what a command prints about itself; program is the path of it.
func help(t *testing.T, program string, command []string) (children, flags []string) {
	t.Helper()
	out, err := exec.Command(program, append(slices.Clone(command), "--help")...).Output() //nolint:noctx // ends by itself
	if err != nil {
		t.Fatalf("help of %v: %v", command, err)
	}
	text, _, _ := strings.Cut(string(out), "Additional help topics:")
	text, global, _ := strings.Cut(text, "Global Flags:")
	usage, own, _ := strings.Cut(text, "\nFlags:\n")
	if _, list, ok := strings.Cut(usage, "Available Commands:"); ok {
		for _, m := range subcommand.FindAllStringSubmatch(list, -1) {
			children = append(children, m[1])
		}
	}
	if len(command) == 0 {
		own = global + own
	}
	for _, m := range flagName.FindAllStringSubmatch(own, -1) {
		if m[1] != "help" {
			flags = append(flags, m[1])
		}
	}
	return children, flags
}

// TestEveryVerbAndFlagIsTold holds the scripts against what the program says
// of itself: each verb runs in one, with each of its flags.
func TestEveryVerbAndFlagIsTold(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) < 8 {
		t.Fatalf("%d scripts: %v", len(files), err)
	}
	goFiles, err := filepath.Glob("demo*_test.go") // the demo is told in Go
	if err != nil {
		t.Fatal(err)
	}
	var told string
	for _, f := range append(files, goFiles...) {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		told += string(b)
	}
	everyVerb(t, told, "sealgate", gate.Binary(t), 25, 40)
	everyVerb(t, told, "sealgate-agent", gate.AgentBinary(t), 8, 12)
}

// everyVerb looks for each verb of a program with each of its flags in what
// the scripts tell.
func everyVerb(t *testing.T, told, name, program string, leastVerbs, leastFlags int) {
	t.Helper()
	var verbs, flags int
	var walk func(command []string)
	walk = func(command []string) {
		children, own := help(t, program, command)
		for _, f := range own {
			flags++
			if !tells(told, name, command, f) {
				t.Errorf("no script runs %s %s --%s", name, strings.Join(command, " "), f)
			}
		}
		if len(children) == 0 {
			verbs++
		}
		for _, c := range children {
			if c != "help" {
				walk(append(slices.Clone(command), c))
			}
		}
	}
	walk(nil)
	if verbs < leastVerbs || flags < leastFlags {
		t.Errorf("only %d verbs with %d flags of %s were found: the help was not read", verbs, flags, name)
	}
}

// tells looks for a line that runs a command of a program with a flag.
func tells(told, program string, command []string, flag string) bool {
	verb := strings.Join(command, " ")
	for line := range strings.Lines(told) {
		if (program == "sealgate-agent") != strings.Contains(line, "sealgate-agent") {
			continue
		}
		runs := strings.Contains(line, verb) || verb == "serve" && strings.HasPrefix(line, "up ") || verb == "demo" && strings.Contains(line, `"demo"`)
		if runs && regexp.MustCompile(`--?`+flag+`\b`).MatchString(line) {
			return true
		}
	}
	return false
}
