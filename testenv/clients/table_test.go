// SPDX-License-Identifier: Apache-2.0

package clients

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sealgate/sealgate/testenv/gate"
)

// full is given by "make clients".
var full = flag.Bool("full", false, "run every client, the heavy ones too; unless -run picks some, write the table of S3.md")

// shared is the gateway of all rows.
var shared *gate.Gate

const (
	page       = "../../gateway/s3api/S3.md"
	tableBegin = "<!-- clients:begin -->\n"
	tableEnd   = "<!-- clients:end -->"
)

func TestMain(m *testing.M) {
	code := gate.Main(m, gate.Options{Policy: policy, DNS: []string{"localhost", domain, "*." + domain}, Config: map[string]string{
		"listeners": `{s3_mtls: {address: "127.0.0.1:0", domain: ` + domain + `}, metrics: {address: "127.0.0.1:0"}}`,
	}}, func(g *gate.Gate) { shared = g })
	if *full && flag.Lookup("test.run").Value.String() == "" {
		if err := writeTable(); err != nil {
			fmt.Fprintln(os.Stderr, "writing the table of clients:", err)
			code = max(code, 1)
		}
	}
	os.Exit(code)
}

// row is a line of the table.
type row struct {
	client  string
	way     way
	version string
	results map[string]string // by step: ok, FAILED or a dash
}

const dash = "-"

var results struct {
	mu   sync.Mutex // guards rows
	rows []row
}

// TestClients runs each client its ways in, step by step.
func TestClients(t *testing.T) {
	t.Parallel()
	for _, c := range clients {
		if c.heavy && !*full {
			continue
		}
		for _, by := range c.ways {
			t.Run(slug(c.name)+"/"+string(by), func(t *testing.T) {
				t.Parallel()
				perform(t, c, by)
			})
		}
	}
}

// perform runs one row and keeps what came of it.
func perform(t *testing.T, c client, by way) {
	t.Helper()
	r := row{client: c.name, way: by, results: map[string]string{}}
	for _, name := range stepNames {
		r.results[name] = "FAILED"
		if slices.Contains(c.lacks, name) {
			r.results[name] = dash
		}
	}
	defer func() {
		results.mu.Lock()
		defer results.mu.Unlock()
		results.rows = append(results.rows, r)
	}()
	p := c.open(t, newWorld(t, c.name, by))
	if r.version = p.version; p.version == "" {
		t.Error("the client did not say its version")
	}
	for _, name := range stepNames {
		step, has := p.steps[name]
		if has == slices.Contains(c.lacks, name) {
			t.Errorf("%s: is it among its steps (%t) or among those that it lacks?", name, has)
		}
		if has && t.Run(name, step) {
			r.results[name] = "ok"
		}
	}
}

func (r row) String() string {
	cells := []string{r.client, r.version, string(r.way)}
	for _, name := range stepNames {
		cells = append(cells, r.results[name])
	}
	return "| " + strings.Join(cells, " | ") + " |\n"
}

// writeTable writes what a full run found into S3.md.
func writeTable() error {
	results.mu.Lock()
	defer results.mu.Unlock()
	want := 0
	for _, c := range clients {
		want += len(c.ways)
	}
	if len(results.rows) != want {
		return fmt.Errorf("%d of %d rows were run: the table stays as it was", len(results.rows), want)
	}
	slices.SortFunc(results.rows, func(a, b row) int {
		return cmp.Or(cmp.Compare(strings.ToLower(a.client), strings.ToLower(b.client)), cmp.Compare(a.way, b.way))
	})
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(text), tableBegin)
	_, after, ok2 := strings.Cut(rest, tableEnd)
	if !ok || !ok2 {
		return fmt.Errorf("%s has no place for the table", page)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "| client | version | way in | %s |\n", strings.Join(stepNames, " | "))
	b.WriteString("|---|---|---|" + strings.Repeat("---|", len(stepNames)) + "\n")
	for _, r := range results.rows {
		b.WriteString(r.String())
	}
	return os.WriteFile(page, []byte(before+tableBegin+b.String()+tableEnd+after), 0o644)
}

// readTable reads the rows of S3.md.
func readTable(t *testing.T) []row {
	t.Helper()
	text, err := os.ReadFile(page)
	must(t, err)
	_, rest, ok := strings.Cut(string(text), tableBegin)
	table, _, ok2 := strings.Cut(rest, tableEnd)
	if !ok || !ok2 {
		t.Fatal("S3.md has no place for the table of clients")
	}
	var rows []row
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if len(cells) != 3+len(stepNames) || cells[0] == "client" || strings.HasPrefix(cells[0], "---") {
			continue
		}
		r := row{client: cells[0], version: cells[1], way: way(cells[2]), results: map[string]string{}}
		for i, name := range stepNames {
			r.results[name] = cells[3+i]
		}
		rows = append(rows, r)
	}
	return rows
}

// written finds a row of S3.md.
func written(t *testing.T, name string, by way) (row, bool) {
	t.Helper()
	for _, r := range readTable(t) {
		if r.client == name && r.way == by {
			return r, true
		}
	}
	return row{}, false
}

// TestTable: no client is dropped from the table, none is in it that is not
// run, and all that they do works.
func TestTable(t *testing.T) {
	t.Parallel()
	if *full {
		return // it is being written
	}
	known := map[string]bool{}
	for _, c := range clients {
		for _, by := range c.ways {
			known[c.name+" "+string(by)] = true
			r, ok := written(t, c.name, by)
			if !ok || r.version == "" {
				t.Errorf("S3.md has no row for %s by %s, or one without a version: run make clients", c.name, by)
				continue
			}
			for _, name := range stepNames {
				want := "ok"
				if slices.Contains(c.lacks, name) {
					want = dash
				}
				if r.results[name] != want {
					t.Errorf("%s by %s: S3.md says of %s %q, want %q", c.name, by, name, r.results[name], want)
				}
			}
		}
	}
	for _, r := range readTable(t) {
		if !known[r.client+" "+string(r.way)] {
			t.Errorf("S3.md has a row for %s by %s, which is not run", r.client, r.way)
		}
	}
}
