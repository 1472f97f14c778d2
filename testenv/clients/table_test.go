// SPDX-License-Identifier: Apache-2.0

package clients

import (
	"cmp"
	"errors"
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
var full = flag.Bool("full", false, "run the heavy clients too, and write what was run into the table of S3.md")

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
	if *full {
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
		if !has {
			continue
		}
		ran := false // -run may leave it out
		if t.Run(name, func(t *testing.T) { ran = true; step(t) }) && ran {
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

// writeTable writes what a run found into S3.md. Rows that were not run stay as
// they are, those of clients that are no more go.
func writeTable() error {
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	before, table, after, err := cutTable(string(text))
	if err != nil {
		return err
	}
	results.mu.Lock()
	defer results.mu.Unlock()
	rows := slices.Clone(results.rows)
	for _, old := range parseRows(table) {
		if known(old) && !slices.ContainsFunc(rows, old.isOf) {
			rows = append(rows, old)
		}
	}
	slices.SortFunc(rows, func(a, b row) int {
		return cmp.Or(cmp.Compare(strings.ToLower(a.client), strings.ToLower(b.client)), cmp.Compare(a.way, b.way))
	})
	var b strings.Builder
	fmt.Fprintf(&b, "| client | version | way in | %s |\n", strings.Join(stepNames, " | "))
	b.WriteString("|---|---|---|" + strings.Repeat("---|", len(stepNames)) + "\n")
	for _, r := range rows {
		b.WriteString(r.String())
	}
	return os.WriteFile(page, []byte(before+b.String()+after), 0o644)
}

// isOf says whether two rows are of one client and way.
func (r row) isOf(o row) bool { return r.client == o.client && r.way == o.way }

// known says whether a row's client is still run that way.
func known(r row) bool {
	return slices.ContainsFunc(clients, func(c client) bool { return c.name == r.client && slices.Contains(c.ways, r.way) })
}

// cutTable parts S3.md into the table and what is around it.
func cutTable(text string) (before, table, after string, err error) {
	before, rest, ok := strings.Cut(text, tableBegin)
	table, after, ok2 := strings.Cut(rest, tableEnd)
	if !ok || !ok2 {
		return "", "", "", errors.New("S3.md has no place for the table of clients")
	}
	return before + tableBegin, table, tableEnd + after, nil
}

func parseRows(table string) []row {
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

// TestTable: no client is dropped from the table, none is in it that is not
// run, and all that they do works.
func TestTable(t *testing.T) {
	t.Parallel()
	if *full {
		return // it is being written
	}
	text, err := os.ReadFile(page)
	must(t, err)
	_, table, _, err := cutTable(string(text))
	must(t, err)
	rows := parseRows(table)
	for _, c := range clients {
		for _, by := range c.ways {
			i := slices.IndexFunc(rows, row{client: c.name, way: by}.isOf)
			if i < 0 || rows[i].version == "" {
				t.Errorf("S3.md has no row for %s by %s, or one without a version: run make clients", c.name, by)
				continue
			}
			asRun(t, c, rows[i])
		}
	}
	for _, r := range rows {
		if !known(r) {
			t.Errorf("S3.md has a row for %s by %s, which is not run", r.client, r.way)
		}
	}
}

// asRun wants a row to have the steps of its client, all of them well.
func asRun(t *testing.T, c client, r row) {
	t.Helper()
	for _, name := range stepNames {
		want := "ok"
		if slices.Contains(c.lacks, name) {
			want = dash
		}
		if r.results[name] != want {
			t.Errorf("%s by %s: S3.md says of %s %q, want %q", c.name, r.way, name, r.results[name], want)
		}
	}
}
