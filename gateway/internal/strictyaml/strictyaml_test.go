// SPDX-License-Identifier: Apache-2.0

package strictyaml

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// lines renders faults without the file name, sorted.
func lines(fs Faults) []string {
	fs.Sort()
	var out []string
	for _, f := range fs {
		out = append(out, strings.TrimPrefix(f.String(), "f.yaml:"))
	}
	return out
}

func TestParseFaults(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", MaxDepth+1) + strings.Repeat("]", MaxDepth+1)
	for name, tc := range map[string]struct {
		src  string
		want []string
	}{
		"good":             {"a: {b: [c, \"d\"]}\n", nil},
		"windows lines":    {"a: b\r\nc: d\r\n", nil},
		"empty":            {"", []string{"1:1: error E001: the document is empty"}},
		"comment only":     {"# nothing\n", []string{"1:1: error E001: the document is empty"}},
		"second document":  {"a: b\n---\nc: d\n", []string{"2:1: error E002: a second document begins here; one file holds one"}},
		"anchor":           {"a: &x b\n", []string{"1:4: error E003: anchor &x: anchors are not allowed; remove it"}},
		"alias":            {"a: &x b\nc: *x\n", []string{"1:4: error E003: anchor &x: anchors are not allowed; remove it", "2:4: error E003: alias *x: aliases are not allowed; write the value out"}},
		"merge key":        {"a: {<<: {b: c}}\n", []string{"1:5: error E003: merge key <<: merge keys are not allowed; write the keys out"}},
		"quoted <<":        {"a: {\"<<\": c}\n", nil},
		"tag":              {"a: !!str 1\n", []string{"1:4: error E003: tag !!str: tags are not allowed; remove it"}},
		"custom tag":       {"a: !include x\n", []string{"1:4: error E003: tag !include: tags are not allowed; remove it"}},
		"duplicate key":    {"a: b\nc: d\na: e\n", []string{`3:1: error E005: key "a" is already given in line 1`}},
		"duplicate quoted": {"a: b\n\"a\": e\n", []string{`2:1: error E005: key "a" is already given in line 1`}},
		"boolean key":      {"on: b\n", []string{`1:1: error E006: key on may be read as a boolean; quote it: "on"`}},
		"number key":       {"1: b\n", []string{`1:1: error E006: key 1 may be read as a number or date; quote it: "1"`}},
		"null key":         {"~: b\n", []string{`1:1: error E006: key ~ may be read as no value; quote it: "~"`}},
		"list as key":      {"[a]: b\n", []string{`1:1: error E006: a key has to be a word`}},
		"not UTF-8":        {"a: \xff\n", []string{"1:4: error E001: byte 0xff is not UTF-8; save the file as UTF-8"}},
		"byte order mark":  {"\ufeffa: b\n", []string{"1:1: error E001: character U+FEFF is invisible or breaks a line invisibly; remove it, or write it escaped inside double quotes"}},
		"bidi override":    {"a: b # \u202e x\n", []string{"1:8: error E001: character U+202E is invisible or breaks a line invisibly; remove it, or write it escaped inside double quotes"}},
		"line separator":   {"# x\u2028a: b\n", []string{"1:4: error E001: character U+2028 is invisible or breaks a line invisibly; remove it, or write it escaped inside double quotes"}},
		"next line":        {"# x\u0085a: b\n", []string{"1:4: error E001: character U+0085 is invisible or breaks a line invisibly; remove it, or write it escaped inside double quotes"}},
		"lone return":      {"# x\ra: b\n", []string{"1:4: error E001: character U+000D is invisible or breaks a line invisibly; remove it, or write it escaped inside double quotes"}},
		"NUL":              {"a: \x00\n", []string{"1:4: error E001: character U+0000 is invisible or breaks a line invisibly; remove it, or write it escaped inside double quotes"}},
		"too deep":         {deep, []string{"1:33: error E001: while increasing flow level: nested deeper than 32 levels"}},
		"too large":        {strings.Repeat("#", MaxBytes+1), []string{"1:1: error E001: 1048577 bytes are more than a document may have (1048576)"}},
		"several at once": {"a: &x b\na: c\nd: !t e\n", []string{
			"1:4: error E003: anchor &x: anchors are not allowed; remove it",
			`2:1: error E005: key "a" is already given in line 1`,
			"3:4: error E003: tag !t: tags are not allowed; remove it",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var fs Faults
			Parse("f.yaml", []byte(tc.src), &fs)
			if d := cmp.Diff(tc.want, lines(fs)); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestTooManyNodes(t *testing.T) {
	t.Parallel()
	var fs Faults
	Parse("f.yaml", []byte("["+strings.Repeat("a,", MaxNodes)+"]"), &fs)
	want := []string{"1:400000: error E001: the document has more than 200000 values"}
	if d := cmp.Diff(want, lines(fs)); d != "" {
		t.Error(d)
	}
}

func TestSyntaxErrorHasAPlace(t *testing.T) {
	t.Parallel()
	for _, src := range []string{"a: [b\nc: d", "a: b: c", "a: 'x", "\ta: b", "a: *nowhere", "%YAML 9.9\n---\na", "a: b\n---\nx: [", "- a\nb: c"} {
		var fs Faults
		Parse("f.yaml", []byte(src), &fs)
		if len(fs) != 1 || fs[0].Code != "E001" || fs[0].Text == "" || strings.Contains(fs[0].Text, "go-yaml") {
			t.Errorf("%q: %v", src, fs)
		}
	}
}

func TestTextOrNot(t *testing.T) {
	t.Parallel()
	for _, word := range []string{
		"yes", "No", "ON", "off", "y", "N", "true", "False", "TRUE", "null", "~", "1", "-1", "0x1F", "0o7", "010", "1_000", "1.5", "1e3", ".5",
		".inf", ".NaN", "12:30", "190:20:30", "2027-03-01", "2027-03-01T10:00:00Z", "0b1",
	} {
		var fs Faults
		n := Parse("f.yaml", []byte("[ "+word+", \""+word+"\"]"), &fs).List(&fs)
		if got := n[0].String(&fs); got != "" || len(fs) != 1 || fs[0].Code != "E006" {
			t.Errorf("plain %s: %q, %v", word, got, fs)
		}
		fs = nil
		if got := n[1].String(&fs); got != word || len(fs) != 0 {
			t.Errorf("quoted %s: %q, %v", word, got, fs)
		}
	}
	for _, word := range []string{"read", "oui", "onwards", "v1", "1h30m", "08:00-19:00", "a b", "models/fraud/**", "spiffe://acme.ai/x", "group:a", "10.0.0.1"} {
		var fs Faults
		if got := Parse("f.yaml", []byte("- "+word), &fs).List(&fs)[0].String(&fs); got != word || len(fs) != 0 {
			t.Errorf("%s: %q, %v", word, got, fs)
		}
	}
}

func TestAccessors(t *testing.T) {
	t.Parallel()
	src := `
version: 1
naem: x
listeners: {s3: {enabled: yes}}
count: "3"
big: 1000
list: a
map: []
offline: {reads: 10min, rate: 20MB/s}
`
	var fs Faults
	root := Parse("f.yaml", []byte(src), &fs)
	f := root.Fields(&fs, "version", "name", "listeners", "count", "big", "list", "map", "offline")
	root.Need(&fs, f, "version", "name")
	if v := f["version"].Int(&fs, 1, 1); v != 1 {
		t.Errorf("version %d", v)
	}
	f["listeners"].Fields(&fs, "s3")["s3"].Fields(&fs, "enabled")["enabled"].Bool(&fs)
	f["count"].Int(&fs, 0, 9)
	f["big"].Int(&fs, 0, 9)
	f["list"].List(&fs)
	f["map"].Pairs(&fs)
	off := f["offline"].Fields(&fs, "reads", "rate")
	off["reads"].Duration(&fs, "E512")
	off["rate"].Rate(&fs, "E512")
	want := []string{
		`2:1: error E007: "name" is missing`,
		`3:1: error E004: unknown key "naem"; did you mean "name"?`,
		`4:27: error E006: listeners.s3.enabled: "yes" is not a boolean; write true or false, unquoted`,
		`5:8: error E006: count: "3" is not a plain decimal number`,
		`6:6: error E006: big: 1000 is not between 0 and 9`,
		`7:7: error E006: list: a list is wanted here, not a single value`,
		`8:6: error E006: map: a mapping is wanted here, not a list`,
		`9:18: error E512: offline.reads: "10min" is not a duration; write 10m`,
		`9:31: error E512: offline.rate: "20MB/s" is not a rate; write 20MiB/s`,
	}
	if d := cmp.Diff(want, lines(fs)); d != "" {
		t.Error(d)
	}
}

func TestAbsentIsSilent(t *testing.T) {
	t.Parallel()
	var n *Node
	var fs Faults
	n.Need(&fs, n.Fields(&fs, "a"), "a")
	n.String(&fs)
	n.Bool(&fs)
	n.Int(&fs, 1, 2)
	n.Duration(&fs, "E1")
	if n.Present() || len(n.List(&fs)) != 0 || len(fs) != 0 {
		t.Errorf("faults of an absent key: %v", fs)
	}
}

func TestUnits(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"0s": "0s", "90s": "1m30s", "1h30m": "1h30m", "90d": "90d", "1d2h3m4s": "1d2h3m4s", "36h": "1d12h",
		"": "! write a whole number with s, m, h or d, as in 1h30m", "300": "! write 300s", "10min": "! write 10m", "1.5h": "! write 1h30m", "2 hours": "! write 2h",
		"30m1h": "! write 1h30m", "1w": "! weeks are not a unit; write days, as in 7d", "500ms": "! the units are s, m, h and d", "-1h": "! write a whole number with s, m, h or d, as in 1h30m",
		"106752d": "! it is too long", "106751d24h": "! it is too long", "99999999999999999999s": "! it is too long",
	} {
		d, hint, ok := ParseDuration(text)
		got := FormatDuration(d)
		if !ok {
			got = "! " + hint
		}
		if got != want {
			t.Errorf("duration %q: %s, want %s", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"0B": "0B", "64MiB": "64MiB", "1024KiB": "1MiB", "2TiB": "2TiB", "1000B": "1000B",
		"64MB": "! write 64MiB", "64": "! write 64B", "1GB": "! write 1GiB", "64 MiB": "! write 64MiB", "x": "! write a whole number with B, KiB, MiB, GiB or TiB",
		"5PiB": "! the units are B, KiB, MiB, GiB and TiB", "8388608TiB": "! it is too large", "99999999999999999999B": "! it is too large", "-1B": "! write a whole number with B, KiB, MiB, GiB or TiB",
	} {
		n, hint, ok := ParseSize(text)
		got := FormatSize(n)
		if !ok {
			got = "! " + hint
		}
		if got != want {
			t.Errorf("size %q: %s, want %s", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"20/s": "{20 false}", "200MiB/s": "{209715200 true}", "200MB/s": "! write 200MiB/s", "20": "! write an amount per second, as in 200MiB/s or 20/s",
		"x/s": "! write an amount per second, as in 200MiB/s or 20/s", "007/s": "! write an amount per second, as in 200MiB/s or 20/s",
	} {
		r, hint, ok := ParseRate(text)
		got := fmt.Sprint(r)
		if !ok {
			got = "! " + hint
		}
		if got != want {
			t.Errorf("rate %q: %s, want %s", text, got, want)
		}
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	known := []string{"read", "list", "create", "write", "delete", "tag"}
	for word, want := range map[string]string{"writ": "write", "wirte": "write", "delet": "delete", "raed": "read", "tga": "", "tags": "tag", "x": "", "": "", "archive": "", "lst": "list"} {
		if got := Nearest(word, known); got != want {
			t.Errorf("%q: %q, want %q", word, got, want)
		}
	}
}

func TestFaultsCount(t *testing.T) {
	t.Parallel()
	fs := Faults{{Code: "W101", Text: "w"}, {Code: "E004", Text: "e"}, {Code: "E004", Text: "e"}}
	fs.Sort()
	if fs.Errors() != 1 || len(fs) != 2 {
		t.Errorf("%d faults, %d of them errors, want 2 and 1", len(fs), fs.Errors())
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"a: {b: [c, \"d\"]}\n", "a: &x b\nc: *x\n", "? [a]\n: b", "a: |\n  x\n  y\n", "--- !t\n<<: {}\n", "- 1_0\n- yes\n- 5m\n", "%TAG ! x\n---\na"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		var fs Faults
		n := Parse("f", src, &fs)
		if n == nil && fs.Errors() == 0 {
			t.Fatal("no document and no error")
		}
		walk(t, n, &fs)
		for _, x := range fs {
			if x.Line < 1 || x.Col < 1 || x.Code == "" || x.Text == "" {
				t.Fatalf("fault without a place or text: %+v", x)
			}
		}
	})
}

func walk(t *testing.T, n *Node, fs *Faults) {
	t.Helper()
	if n == nil {
		return
	}
	switch n.Kind {
	case Map:
		for _, p := range n.Pairs(fs) {
			walk(t, p.Value, fs)
		}
	case List:
		for _, i := range n.List(fs) {
			walk(t, i, fs)
		}
	case Scalar, Null:
		n.String(fs)
		n.Bool(fs)
		n.Int(fs, -5, 5)
		n.Duration(fs, "E512")
		n.Size(fs, "E512")
		n.Rate(fs, "E512")
	}
}
