// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// stdLine is what encoding/json makes of r: the judge of the append encoder.
func stdLine(tb testing.TB, r *Record) []byte {
	tb.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(r); err != nil {
		tb.Fatal(err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// fullRecord has every field set, found by reflection: a field that is added
// to Record and not to the encoder makes TestEncoderMatchesStructure fail.
func fullRecord(tb testing.TB) Record {
	tb.Helper()
	var r Record
	v := reflect.ValueOf(&r).Elem()
	for i := range v.NumField() {
		switch f := v.Field(i); f.Interface().(type) {
		case string, Phase:
			f.SetString("x" + v.Type().Field(i).Name)
		case int, int64:
			f.SetInt(int64(i) + 1)
		case uint64, uint32:
			f.SetUint(uint64(i) + 1)
		case bool:
			f.SetBool(true)
		case time.Time:
			f.Set(reflect.ValueOf(time.Date(2027, 3, 2, 9, 14, 31, 120_000_000, time.UTC)))
		case []string:
			f.Set(reflect.ValueOf([]string{"GetObject a/b no_grant", `q"\`}))
		case map[string]string:
			f.Set(reflect.ValueOf(map[string]string{"b": "2", "a": "1", "c\n": "<&>"}))
		default:
			tb.Fatalf("field %s: a kind that the encoder does not know", v.Type().Field(i).Name)
		}
	}
	r.Version, r.Phase = Version, PhaseIntent
	return r
}

func TestEncoderMatchesStructure(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]Record{"empty": {Version: 1, Phase: PhaseNote}, "full": fullRecord(t)} {
		if diff := cmp.Diff(string(stdLine(t, &r)), string(appendLine(nil, &r))); diff != "" {
			t.Errorf("%s: encoding/json (-) and the append encoder (+) differ:\n%s", name, diff)
		}
	}
}

func TestDecodeIsStrict(t *testing.T) {
	t.Parallel()
	r := Record{
		Version: 1, Log: "3f9c1a7e", Seq: 7, Batch: 1, Time: time.Unix(1, 5).UTC(), Phase: PhaseIntent,
		Event: "artifact.read", Actor: "spiffe://a/b", Bucket: "models", Key: "é", Status: 200,
	}
	good := string(appendLine(nil, &r))
	if _, _, err := decodeRecord([]byte(good), nil); err != nil {
		t.Fatal(err)
	}
	edit := func(from, to string) string {
		if !strings.Contains(good, from) {
			t.Fatalf("no %q in %s", from, good)
		}
		return strings.Replace(good, from, to, 1)
	}
	for name, line := range map[string]string{
		"duplicate key":        edit(`"bucket":"models"`, `"bucket":"other","bucket":"models"`),
		"duplicate last wins":  edit(`"status":200`, `"status":200,"status":200`),
		"unknown name":         edit(`"status":200`, `"status":200,"zzz":1`),
		"other case of name":   edit(`"bucket"`, `"Bucket"`),
		"other order":          edit(`"bucket":"models","key":"é"`, `"key":"é","bucket":"models"`),
		"space":                edit(`,"status"`, `, "status"`),
		"trailing space":       good + " ",
		"leading space":        " " + good,
		"two values":           good + "{}",
		"escaped letter":       edit(`models`, `m\u006fdels`),
		"escaped slash":        edit(`spiffe://a/b`, `spiffe:\/\/a/b`),
		"invalid utf-8":        edit("é", "\xff"),
		"overlong utf-8":       edit("é", "\xc0\xaf"),
		"surrogate":            edit("é", "\xed\xa0\x80"),
		"raw control byte":     edit("é", "\x01"),
		"raw tab":              edit("é", "\t"),
		"raw delete":           edit("é", "\x7f"),
		"raw C1":               edit("é", "\u009b"),
		"exponent":             edit(`200`, `2e2`),
		"fraction":             edit(`200`, `200.0`),
		"minus zero":           edit(`"status":200`, `"status":-0`),
		"zero value":           edit(`"status":200`, `"status":0`),
		"empty string":         edit(`"bucket":"models"`, `"bucket":""`),
		"null":                 edit(`"bucket":"models"`, `"bucket":null`),
		"string for number":    edit(`200`, `"200"`),
		"number for string":    edit(`"models"`, `1`),
		"offset instead of Z":  edit(`Z"`, `+00:00"`),
		"other zone":           edit(`Z"`, `+02:00"`),
		"trailing zeros":       edit(`.000000005Z`, `.0000000050Z`),
		"version 2":            edit(`"v":1`, `"v":2`),
		"no version":           edit(`"v":1,`, ``),
		"unknown phase":        edit(`"intent"`, `"intend"`),
		"array":                "[" + good + "]",
		"empty":                "",
		"truncated":            good[:len(good)-1],
		"too long":             edit("é", strings.Repeat("a", MaxRecord)),
		"sequence beyond 2^64": edit(`"seq":7`, `"seq":18446744073709551616`),
		"negative sequence":    edit(`"seq":7`, `"seq":-7`),
		"leading zero":         edit(`"seq":7`, `"seq":07`),
		"empty detail":         edit(`"status":200`, `"status":200,"detail":{}`),
		"unsorted detail":      edit(`"status":200`, `"status":200,"detail":{"b":"1","a":"2"}`),
		"duplicate in detail":  edit(`"status":200`, `"status":200,"detail":{"a":"1","a":"1"}`),
		"a batch of zero":      edit(`"batch":1`, `"batch":0`),
		"await_outcome false":  edit(`"status":200`, `"await_outcome":false,"status":200`),
	} {
		if _, _, err := decodeRecord([]byte(line), nil); err == nil {
			t.Errorf("%s was accepted: %s", name, line)
		}
	}
	_, _, err := decodeRecord([]byte(edit(`"v":1`, `"v":2`)), nil)
	if err == nil || !strings.Contains(err.Error(), "schema v2") {
		t.Errorf("a later schema: %v", err)
	}
}

func TestStringsAreInert(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain <&>": `"plain <&>"`, "q\"\\": `"q\"\\"`, "\b\f\n\r\t\x00\x1f": `"\b\f\n\r\t\u0000\u001f"`,
		"\x7f\u0080\u009f\u00a0": `"\u007f\u0080\u009f` + "\u00a0\"", "\u2028\u2029": `"\u2028\u2029"`,
		"a\xffb": "\"a\ufffdb\"", "\ufffd": "\"\ufffd\"", "😀": `"😀"`,
	} {
		if got := string(appendString(nil, in)); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
}

func TestClip(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   string
		n    int
		want string
	}{{"abc", 3, "abc"}, {"abcdef", 5, "ab…"}, {"ééé", 5, "é…"}, {"", 3, ""}} {
		if got := clip(c.in, c.n); got != c.want || len(got) > c.n {
			t.Errorf("clip(%q, %d) = %q, want %q", c.in, c.n, got, c.want)
		}
	}
}

func TestExactBytesOfAKey(t *testing.T) {
	t.Parallel()
	var a, b Record
	(&Event{Bucket: "m", Key: "x\xff"}).fill(&a)
	(&Event{Bucket: "m", Key: "x\xfe"}).fill(&b)
	if a.KeyHex != "78ff" || b.KeyHex != "78fe" {
		t.Errorf("two keys look like one: %q %q", a.KeyHex, b.KeyHex)
	}
}

// FuzzEncode holds the append encoder against encoding/json: what is decoded
// from both is the same, and for text that needs no escape of ours the bytes
// are too. What was encoded decodes strictly.
func FuzzEncode(f *testing.F) {
	for _, s := range []string{
		"models/fraud/v1", "\x00\x01\x1f\x7f\u0080\u009b31m", "\"\\</script>&", "\xff\xfe\xc0\xaf\xed\xa0\x80",
		"\u2028\u2029\ufeff\ufffd", `","seq":9,"x":"`, "\n{\"v\":1}\n", strings.Repeat("é", 2000), "😀\u202e",
	} {
		f.Add(s, s, s, int64(len(s)), uint64(len(s)))
	}
	f.Fuzz(func(t *testing.T, key, agent, pair string, n int64, of uint64) {
		r := Record{Version: 1, Log: "3f9c1a7e", Seq: of, Phase: PhaseIntent, Time: time.Unix(n%1e9, n%1e9).UTC()}
		e := Event{Event: agent, Actor: agent, Bucket: key, Key: key, UserAgent: agent, BytesPlanned: n, Detail: map[string]string{pair: key, "b": agent, agent: pair, "\uffff": key}}
		e.fill(&r)
		o := Outcome{Error: pair, BytesSent: n, KeyringVersion: uint32(of), KEK: key}
		r.Denied = []string{key, agent, pair}
		r.Error, r.Of, r.KEK = clip(o.Error, maxError), of, clip(o.KEK, maxString)
		got, want := appendLine(nil, &r), stdLine(t, &r)
		if len(got) > MaxRecord {
			return
		}
		var a, b Record
		if err := json.Unmarshal(got, &a); err != nil {
			t.Fatalf("not JSON: %v\n%q", err, got)
		}
		if err := json.Unmarshal(want, &b); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(b, a); diff != "" {
			t.Fatalf("encoding/json (-) and ours (+) decode differently:\n%s", diff)
		}
		if plainText(key) && plainText(agent) && plainText(pair) && !bytes.Equal(got, want) {
			t.Fatalf("got  %s\nwant %s", got, want)
		}
		if bytes.ContainsFunc(got, func(c rune) bool { return c < 0x20 || c >= 0x7f && c < 0xa0 }) || !utf8.Valid(got) {
			t.Fatalf("raw control or invalid UTF-8: %q", got)
		}
		if _, _, err := decodeRecord(got, nil); err != nil {
			t.Fatalf("own record refused: %v\n%s", err, got)
		}
	})
}

func plainText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r == 0x7f || r >= 0x80 && r < 0xa0 })
}

// FuzzDecode: whatever is accepted encodes to the same bytes, and nothing
// panics.
func FuzzDecode(f *testing.F) {
	full := fullRecord(f)
	f.Add(appendLine(nil, &full))
	f.Add([]byte(`{"v":1,"log":"","seq":0,"time":"0001-01-01T00:00:00Z","phase":"note"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, _, err := decodeRecord(b, nil)
		if err != nil {
			return
		}
		if again := appendLine(nil, &r); !bytes.Equal(again, b) {
			t.Fatalf("accepted %s\nencodes to %s", b, again)
		}
	})
}
