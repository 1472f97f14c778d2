// SPDX-License-Identifier: Apache-2.0

package clients

import (
	"bytes"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/testenv/gate"
)

// script opens a client that is a library of Python: file is run once, with
// the help of story.py, and tells how each step went. On the way agent it is
// run by "sealgate-agent run --", so that all it knows comes from its
// environment.
func script(python func(testing.TB) string, file string, args ...string) func(*testing.T, *world) play {
	return func(t *testing.T, w *world) play {
		t.Helper()
		path, err := filepath.Abs(file)
		must(t, err)
		argv := append([]string{python(t), path, string(w.way), w.bucket, w.prefix, w.dir, w.gate.Endpoint, w.id, strconv.Itoa(large())}, args...)
		if w.way == agent {
			flags := append([]string{gate.AgentBinary(t), "run"}, w.gate.IdentityFlags(t, strings.TrimPrefix(w.who, "spiffe://"+gate.TrustDomain))...)
			argv = append(append(flags, "--"), argv...)
		}
		cmd := w.command(argv[0], argv[1:]...)
		cmd.Env = w.clean
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		err = cmd.Run()
		told := map[string]string{}
		for line := range strings.Lines(out.String()) {
			if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "story "); ok {
				what, how, _ := strings.Cut(rest, ": ")
				told[what] = how
			}
		}
		p := play{version: told["version"], steps: map[string]func(*testing.T){}}
		for _, name := range stepNames {
			if how, ok := told[name]; ok {
				p.steps[name] = func(t *testing.T) {
					t.Helper()
					if how != "ok" {
						t.Errorf("%s\n%s", how, errs.String())
					}
				}
			}
		}
		if err != nil {
			t.Errorf("%s: %v\n%s%s", file, err, out.String(), errs.String()[max(0, errs.Len()-4000):])
		}
		return p
	}
}
