// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"github.com/sealgate/sealgate/gateway/internal/strictyaml"
)

// Style is how a configuration is printed.
type Style uint8

// The styles.
const (
	Plain     Style = iota // values alone
	Commented              // each field with its meaning, also those that are absent
)

// Print writes c as a file that [Load] reads back as c. Secrets are in it as the
// references that they are.
func Print(c *Config, style Style) []byte {
	p := &printer{style: style, told: map[string]bool{}}
	shown := *c
	if c.Policy.Seed {
		shown.Policy.File = "" // named, it would have to be there
	}
	p.fields(reflect.ValueOf(shown), "", "")
	return p.out.Bytes()
}

// Digest is the SHA-256, in hex, of c printed plain: what the audit log records of a
// configuration.
func (c *Config) Digest() string {
	sum := sha256.Sum256(Print(c, Plain))
	return hex.EncodeToString(sum[:])
}

// printer writes YAML by the tags of the fields.
type printer struct {
	out   bytes.Buffer
	style Style
	told  map[string]bool // comments that were written, by type and key
}

// fields writes the fields of v that exist for its kind. path is "" outside of lists.
func (p *printer) fields(v reflect.Value, indent, path string) {
	all := fieldsOf(v.Type())
	kind := selected(v, all)
	for _, f := range all {
		if f.exists(kind) {
			p.field(v.Field(f.index), f, indent, v.Type().Name()+"."+f.key)
		}
	}
}

func (p *printer) field(v reflect.Value, f field, indent, id string) {
	if p.style == Plain && isAbsent(v, f) {
		return
	}
	first := !p.told[id]
	p.told[id] = true
	if p.style == Commented && indent == "" && f.key != "version" {
		p.out.WriteByte('\n')
	}
	if p.style == Commented && first {
		p.line(indent, "# "+f.doc)
	}
	switch {
	case isAbsent(v, f):
		if first {
			p.line(indent, "# "+f.key+":")
		}
	case f.as == "":
		p.line(indent, f.key+":")
		p.fields(v, indent+"  ", id)
	case f.as == "named":
		p.line(indent, f.key+":")
		for i := range v.Len() {
			p.line(indent+"  ", quoted(nameOf(v.Index(i)).String())+":")
			p.fields(v.Index(i), indent+"    ", id)
		}
	case f.as == "keyrings":
		p.line(indent, f.key+":")
		for _, k := range v.Interface().([]Keyring) {
			p.line(indent+"  ", fmt.Sprintf("- {scope: %s, kek: %s}", quoted(k.Scope), quoted(k.KEK)))
		}
	case f.as == "issuers":
		p.line(indent, f.key+":")
		for i := range v.Len() {
			p.line(indent+"  ", "- {"+flow(v.Index(i))+"}")
		}
	default:
		p.line(indent, f.key+": "+written(v, f))
	}
}

// flow is the fields of a struct that are there, on one line.
func flow(v reflect.Value) string {
	var parts []string
	for _, f := range fieldsOf(v.Type()) {
		if at := v.Field(f.index); !isAbsent(at, f) {
			parts = append(parts, f.key+": "+written(at, f))
		}
	}
	return strings.Join(parts, ", ")
}

func (p *printer) line(indent, text string) { p.out.WriteString(indent + text + "\n") }

// isAbsent reports whether v has nothing that could be written: an empty text, or a
// mapping of nothing else.
func isAbsent(v reflect.Value, f field) bool {
	switch f.as {
	case "named", "keyrings", "issuers":
		return v.Len() == 0
	case "":
		all := fieldsOf(v.Type())
		kind := selected(v, all)
		for _, sub := range all {
			if sub.exists(kind) && !isAbsent(v.Field(sub.index), sub) {
				return false
			}
		}
		return true
	}
	return codecs[f.as].write(v) == ""
}

// written is a value as YAML. Texts are quoted where YAML could take them for
// something else; numbers, with or without a unit, and booleans stand as they are.
func written(v reflect.Value, f field) string {
	s := codecs[f.as].write(v)
	if v.Kind() == reflect.String || v.Kind() == reflect.Struct {
		return quoted(s)
	}
	return s
}

// plain are texts that need no quotes in any place: no YAML version reads something
// else into them.
var plain = regexp.MustCompile(`^[A-Za-z/][A-Za-z0-9_./-]*$`)

func quoted(s string) string {
	var faults strictyaml.Faults
	if plain.MatchString(s) {
		n := strictyaml.Parse("", []byte(s), &faults)
		if n.String(&faults) == s && len(faults) == 0 {
			return s
		}
	}
	return yamlQuote(s)
}

// yamlQuote writes s double-quoted. Go's escapes are YAML's, but for DEL.
func yamlQuote(s string) string { return strings.ReplaceAll(strconv.QuoteToGraphic(s), `\x7f`, `\x7F`) }
