// SPDX-License-Identifier: Apache-2.0

package authority

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sealgate/sealgate/certs"
)

func wantText(err error, text string) bool { return err != nil && strings.Contains(err.Error(), text) }

// TestEntryRules: AUTHORITY.md §2.1, each rule with the words a person gets.
func TestEntryRules(t *testing.T) {
	t.Parallel()
	a := mustOpen(t, testConfig(t))
	link := filepath.Join(sharedDir(t), "link")
	if err := os.Symlink("/bin/true", link); err != nil {
		t.Fatal(err)
	}
	uid := new(uint32(os.Getuid()))
	ok := Entry{SPIFFE: testID(t, "/job/a"), UID: uid}
	change := func(f func(*Entry)) Entry {
		e := ok.clone()
		f(&e)
		return e
	}
	many := make([]string, maxDNS+1)
	for i := range many {
		many[i] = fmt.Sprintf("n%d.example", i)
	}
	for _, tc := range []struct {
		name string
		e    Entry
		want string // "" is accepted
	}{
		{"plain", ok, ""},
		{"all selectors", change(func(e *Entry) {
			e.GID, e.Unit, e.Exec, e.ExecSHA256 = uid, "a.service", "/opt/none/x", strings.Repeat("0a", 32)
		}), ""},
		{"unit in slices", change(func(e *Entry) { e.Unit = "system-a.slice/a@1.service" }), ""},
		{"gid alone", change(func(e *Entry) { e.UID, e.GID = nil, new(uint32(7)) }), ""},
		{"names", change(func(e *Entry) { e.DNS = []string{"a.example", "b-1.example"} }), ""},

		{"no ID", change(func(e *Entry) { e.SPIFFE = certs.ID{} }), "names no SPIFFE ID"},
		{"another domain", change(func(e *Entry) { e.SPIFFE = certs.MustParseID("spiffe://evil/job/a") }), "not in this authority's trust domain"},
		{"the domain itself", change(func(e *Entry) { e.SPIFFE = testDomain.ID() }), "give it a path"},
		{"the gateway's ID", change(func(e *Entry) { e.SPIFFE = testID(t, "/gateway") }), "the gateway's own identity"},
		{"no selector", change(func(e *Entry) { e.UID = nil }), "selects nobody in particular"},
		{"gid 0 alone", change(func(e *Entry) { e.UID, e.GID = nil, new(uint32(0)) }), "gid 0 alone"},
		{"nobody", change(func(e *Entry) { e.UID = new(uint32(65534)) }), "stands for nobody"},
		{"uid -1", change(func(e *Entry) { e.UID = new(uint32(1<<32 - 1)) }), "stands for nobody"},
		{"nogroup", change(func(e *Entry) { e.GID = new(uint32(65534)) }), "stands for nobody"},
		{"path alone", change(func(e *Entry) { e.UID, e.Exec = nil, "/opt/x" }), "only narrow"},
		{"path with gid", change(func(e *Entry) { e.UID, e.GID, e.Exec = nil, new(uint32(7)), "/opt/x" }), "only narrow"},
		{"digest alone", change(func(e *Entry) { e.UID, e.ExecSHA256 = nil, strings.Repeat("0a", 32) }), "only narrow"},
		{"digest in capitals", change(func(e *Entry) { e.ExecSHA256 = strings.Repeat("0A", 32) }), "lower-case hex"},
		{"short digest", change(func(e *Entry) { e.ExecSHA256 = "0a" }), "64 lower-case hex"},
		{"relative path", change(func(e *Entry) { e.Exec = "bin/x" }), "not an absolute, clean path"},
		{"unclean path", change(func(e *Entry) { e.Exec = "/opt/../x" }), "not an absolute, clean path"},
		{"path with NUL", change(func(e *Entry) { e.Exec = "/opt/x\x00" }), "not an absolute, clean path"},
		{"symbolic link", change(func(e *Entry) { e.Exec = link }), "symbolic link"},
		{"absolute unit", change(func(e *Entry) { e.Unit = "/system.slice/a.service" }), "below /system.slice/"},
		{"unit with dots", change(func(e *Entry) { e.Unit = "../user.slice/a.service" }), "below /system.slice/"},
		{"a slice", change(func(e *Entry) { e.Unit = "system-a.slice" }), "below /system.slice/"},
		{"below a unit", change(func(e *Entry) { e.Unit = "a.service/sub" }), "below /system.slice/"},
		{"name in capitals", change(func(e *Entry) { e.DNS = []string{"A.example"} }), "in lower case"},
		{"wildcard", change(func(e *Entry) { e.DNS = []string{"*.example"} }), "wildcards"},
		{"final dot", change(func(e *Entry) { e.DNS = []string{"a.example."} }), "final dot"},
		{"address", change(func(e *Entry) { e.DNS = []string{"127.0.0.1"} }), "or an address"},
		{"empty name", change(func(e *Entry) { e.DNS = []string{""} }), "not a DNS name"},
		{"long name", change(func(e *Entry) { e.DNS = []string{strings.Repeat("a.", 130) + "example"} }), "too long"},
		{"gateway's name", change(func(e *Entry) { e.DNS = []string{"localhost"} }), "the gateway's own"},
		{"many names", change(func(e *Entry) { e.DNS = many }), "at most 16"},
		{"bad id", change(func(e *Entry) { e.ID = "A/b" }), "[a-z0-9-]"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			added, err := a.AddEntry(tc.e)
			if tc.want == "" {
				if err != nil || added.ID == "" {
					t.Fatalf("want it accepted, got %v", err)
				}
				if err := a.DeleteEntry(added.ID); err != nil {
					t.Fatal(err)
				}
				return
			}
			if !errors.Is(err, ErrEntry) || !wantText(err, tc.want) {
				t.Errorf("want an ErrEntry with %q, got %v", tc.want, err)
			}
		})
	}
}

// TestEntriesAreUnique: one grant is one entry, one id names one entry.
func TestEntriesAreUnique(t *testing.T) {
	t.Parallel()
	a := mustOpen(t, testConfig(t))
	e := mine(t, "/job/a")
	e.ID = "one"
	mustAdd(t, a, e)
	if _, err := a.AddEntry(mine(t, "/job/a")); !wantText(err, "entry one already gives") {
		t.Errorf("the same grant: %v", err)
	}
	other := mine(t, "/job/b")
	other.ID = "one"
	if _, err := a.AddEntry(other); !wantText(err, "id one is in use") {
		t.Errorf("the same id: %v", err)
	}
	if err := a.DeleteEntry("two"); !errors.Is(err, ErrNoEntry) {
		t.Errorf("want ErrNoEntry, got %v", err)
	}
}

// TestEntriesAreCopied: what a caller does to its copy changes nothing in force.
func TestEntriesAreCopied(t *testing.T) {
	t.Parallel()
	a := mustOpen(t, testConfig(t))
	e := mine(t, "/job/a")
	e.DNS = []string{"a.example"}
	got := mustAdd(t, a, e)
	want := a.Entries()
	*e.UID, e.DNS[0] = 1, "evil"
	*got.UID, got.DNS[0] = 2, "evil"
	list := a.Entries()
	*list[0].UID, list[0].DNS[0] = 3, "evil"
	if diff := cmp.Diff(want, a.Entries(), cmp.Comparer(func(a, b certs.ID) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
}

// TestEntriesSurvive: what AddEntry and DeleteEntry returned from is there after a
// restart, in order.
func TestEntriesSurvive(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t)
	a := mustOpen(t, cfg)
	for _, path := range []string{"/a", "/b", "/c"} {
		e := mine(t, path)
		e.DNS = []string{path[1:] + ".example"}
		mustAdd(t, a, e)
	}
	if err := a.DeleteEntry(a.Entries()[1].ID); err != nil {
		t.Fatal(err)
	}
	again := mustOpen(t, cfg)
	if diff := cmp.Diff(a.Entries(), again.Entries(), cmp.Comparer(func(a, b certs.ID) bool { return a == b })); diff != "" || len(a.Entries()) != 2 {
		t.Errorf("%d entries: %s", len(a.Entries()), diff)
	}
}

// TestEntriesFileIsStrict: a file that a person and a program could read
// differently is refused, and left as it is.
func TestEntriesFileIsStrict(t *testing.T) {
	t.Parallel()
	const good = `{"id":"e","spiffe_id":"spiffe://test.local/x","uid":7}`
	for _, tc := range []struct{ name, doc, want string }{
		{"not JSON", `entries`, "invalid character"},
		{"empty", ``, "EOF"},
		{"cut", `{"version":1,"entries":[`, "EOF"},
		{"no version", `{"entries":[]}`, "version 0"},
		{"later version", `{"version":2,"entries":[]}`, "version 2"},
		{"unknown name", `{"version":1,"entries":[],"more":1}`, "unknown field"},
		{"unknown name in an entry", `{"version":1,"entries":[{"id":"e","uids":7}]}`, "unknown field"},
		{"capital letters", `{"version":1,"Entries":[]}`, `unknown name "Entries"`},
		{"twice", `{"version":1,"entries":[` + good + `],"entries":[]}`, "there twice"},
		{"twice in an entry", `{"version":1,"entries":[{"id":"e","spiffe_id":"spiffe://test.local/x","uid":7,"uid":0}]}`, "there twice"},
		{"something after", `{"version":1,"entries":[]}{}`, "after the end"},
		{"not UTF-8", "{\"version\":1,\"entries\":[],\"\xff\":1}", "UTF-8"},
		{"negative uid", `{"version":1,"entries":[{"id":"e","spiffe_id":"spiffe://test.local/x","uid":-1}]}`, "cannot unmarshal"},
		{"bad ID", `{"version":1,"entries":[{"id":"e","spiffe_id":"spiffe://test.local/../x","uid":7}]}`, "SPIFFE ID"},
		{"null entry", `{"version":1,"entries":[null]}`, "bad registration entry"},
		{"two of one id", `{"version":1,"entries":[` + good + `,{"id":"e","spiffe_id":"spiffe://test.local/y","uid":7}]}`, "in use"},
		{"nesting", `{"version":1,"entries":` + strings.Repeat("[", 20) + strings.Repeat("]", 20) + `}`, "nested deeper"},
		{"too many", `{"version":1,"entries":[` + strings.Repeat(good+",", maxEntries) + good + `]}`, "at most 4096"},
		{"huge", `{"version":1,"entries":[]}` + strings.Repeat(" ", maxFile), "over"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			cfg := testConfig(t)
			mustOpen(t, cfg)
			path := filepath.Join(cfg.Dir, "entries.json")
			if err := os.WriteFile(path, []byte(tc.doc), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(t.Context(), cfg); !wantText(err, tc.want) || !wantText(err, path) {
				t.Errorf("want an error of %s with %q, got %v", path, tc.want, err)
			}
			if after, err := os.ReadFile(path); err != nil || string(after) != tc.doc {
				t.Errorf("the file was changed: %v", err)
			}
		})
	}
}

// TestGrants: several entries of one ID are one SVID; the most specific is first.
func TestGrants(t *testing.T) {
	t.Parallel()
	x, y := testID(t, "/x"), testID(t, "/y")
	u := new(uint32(7))
	got := grants([]Entry{
		{ID: "a", SPIFFE: x, UID: u, DNS: []string{"b.example", "a.example"}},
		{ID: "b", SPIFFE: y, UID: u, GID: u},
		{ID: "c", SPIFFE: x, UID: u, Exec: "/x", DNS: []string{"a.example"}},
	})
	want := []grant{
		{id: y, hint: "b", entries: []string{"b"}},
		{id: x, hint: "c", entries: []string{"c", "a"}, dns: []string{"a.example", "b.example"}},
	}
	if !sameGrants(got, want) {
		t.Errorf("want %+v, got %+v", want, got)
	}
}

// TestManyGrants: more identities than a message may hold are an error, not a cut.
func TestManyGrants(t *testing.T) {
	t.Parallel()
	a, socket := started(t)
	for i := range maxGrants {
		mustAdd(t, a, mine(t, fmt.Sprintf("/job/%d", i)))
	}
	c := client(t, socket)
	if x, err := c.FetchX509Context(t.Context()); err != nil || len(x.SVIDs) != maxGrants {
		t.Fatalf("want %d SVIDs, got %v", maxGrants, err)
	}
	mustAdd(t, a, mine(t, "/one/more"))
	if _, err := c.FetchX509Context(t.Context()); status.Code(err) != codes.Unavailable {
		t.Errorf("want Unavailable, got %v", err)
	}
}

// FuzzEntriesFile: what is read is written as something that reads the same.
func FuzzEntriesFile(f *testing.F) {
	f.Add([]byte(`{"version":1,"entries":[]}`))
	f.Add([]byte(`{"version":1,"entries":[{"id":"e","spiffe_id":"spiffe://test.local/x","uid":7,"gid":0,"unit":"a.service","exec":"/x","exec_sha256":"00","dns":["a"]}]}`))
	f.Add([]byte(`{"Version":1}`))
	f.Add([]byte(`{"version":1,"version":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var first, second entriesDoc
		if decodeStrict(data, &first) != nil {
			return
		}
		again, err := json.Marshal(first)
		if err != nil {
			t.Fatal(err)
		}
		if err := decodeStrict(again, &second); err != nil {
			t.Fatalf("%s does not read back: %v", again, err)
		}
		if diff := cmp.Diff(first.Entries, second.Entries, cmp.Comparer(func(a, b certs.ID) bool { return a == b }), cmp.Transformer("nil", func(s []string) string { return strings.Join(s, "\x00") })); diff != "" {
			t.Fatal(diff)
		}
	})
}

// FuzzUnitOf: only a path directly below /system.slice/ is a unit.
func FuzzUnitOf(f *testing.F) {
	for _, s := range []string{"0::/system.slice/a.service", "1:name=systemd:/x\n0::/system.slice/a.service", "0::/user.slice/system.slice/a.service", "", ":", "::", "0::"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if unit := unitOf(text); unit != "" && !strings.Contains(text, ":"+systemSlice+unit) {
			t.Fatalf("%q is no unit of %q", unit, text)
		}
	})
}

// TestUnitOf: the hierarchy that systemd named wins over the unified one.
func TestUnitOf(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, text, want string }{
		{"unified", "0::/system.slice/a.service\n", "a.service"},
		{"template", "0::/system.slice/system-a.slice/a@1.service\n", "system-a.slice/a@1.service"},
		{"hybrid", "9:name=systemd:/system.slice/a.service\n1:cpu:/x\n0::/system.slice/b.service\n", "a.service"},
		{"hybrid, the other order", "0::/system.slice/b.service\n9:name=systemd:/system.slice/a.service\n", "a.service"},
		{"hybrid, outside", "9:name=systemd:/user.slice\n0::/system.slice/b.service\n", ""},
		{"a controller's", "3:memory:/system.slice/a.service\n0::/\n", ""},
		{"user's own manager", "0::/user.slice/user-7.slice/user@7.service/system.slice/a.service\n", ""},
		{"a removed group", "0::/system.slice/a.service (deleted)\n", "a.service (deleted)"},
		{"another namespace", "0::/../system.slice/a.service\n", ""},
		{"nothing", "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := unitOf(tc.text); got != tc.want {
				t.Errorf("want %q, got %q", tc.want, got)
			}
		})
	}
}
