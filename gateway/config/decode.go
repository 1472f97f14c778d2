// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"reflect"

	"github.com/sealgate/sealgate/gateway/internal/strictyaml"
)

// decoder fills structs from nodes by the tags of their fields.
type decoder struct {
	dir    string // of the file; relative paths start here
	faults *strictyaml.Faults
	// given holds the node of each value in the document by its path, so that
	// faults which only the whole shows are placed too.
	given map[string]*strictyaml.Node
	root  *strictyaml.Node
}

// fault adds a fault at n, with n's path before the text.
func (d *decoder) fault(n *strictyaml.Node, code, text, hint string) {
	if n.Path != "" {
		text = n.Path + ": " + text
	}
	n.Fault(d.faults, code, text, hint)
}

// faultAt adds a fault at the value with the given path, or at the nearest mapping
// around it that the document has.
func (d *decoder) faultAt(path, code, text, hint string) {
	n := d.root
	for end := range len(path) + 1 {
		if end < len(path) && path[end] != '.' {
			continue
		}
		if have, ok := d.given[path[:end]]; ok {
			n = have
		}
	}
	n.Fault(d.faults, code, path+": "+text, hint)
}

// isGiven reports whether the document has a value with that path.
func (d *decoder) isGiven(path string) bool { return d.given[path] != nil }

// text returns a string and whether it was one.
func (d *decoder) text(n *strictyaml.Node) (string, bool) {
	before := len(*d.faults)
	s := n.String(d.faults)
	return s, len(*d.faults) == before
}

// fill sets the fields of v that the mapping n gives; the others keep their values.
func (d *decoder) fill(n *strictyaml.Node, v reflect.Value) {
	if d.isBareSecret(n, v.Type()) {
		return
	}
	fields := fieldsOf(v.Type())
	var keys []string
	for _, f := range fields {
		keys = append(keys, f.key)
	}
	values := n.Fields(d.faults, keys...)
	// The kind decides which fields there are, so it is read first, wherever it is.
	for _, f := range fields {
		if node := values[f.key]; node != nil && (f.key == "kind" || f.key == "source") {
			d.value(node, v.Field(f.index), f)
		}
	}
	kind := selected(v, fields)
	d.refuseOthers(n, fields, kind)
	var needed []string
	for _, f := range fields {
		if f.need && f.exists(kind) {
			needed = append(needed, f.key)
		}
		if node := values[f.key]; node != nil && f.exists(kind) && f.key != "kind" && f.key != "source" {
			d.value(node, v.Field(f.index), f)
		}
	}
	n.Need(d.faults, values, needed...)
}

// value reads one field.
func (d *decoder) value(n *strictyaml.Node, v reflect.Value, f field) {
	d.given[n.Path] = n
	switch f.as {
	case "":
		d.fill(n, v)
	case "named":
		d.named(n, v, f.arg)
	case "keyrings":
		v.Set(reflect.ValueOf(d.keyrings(n)))
	case "issuers":
		d.issuers(n, v)
	default:
		codecs[f.as].read(d, n, v, f.arg)
	}
}

// refuseOthers adds a fault for each field that another kind has. Without a known
// kind nothing can be said.
func (d *decoder) refuseOthers(n *strictyaml.Node, fields []field, kind string) {
	if kind == "" || n == nil || n.Kind != strictyaml.Map {
		return
	}
	for _, p := range n.Pairs(d.faults) {
		for _, f := range fields {
			if f.key == p.Key.Value && !f.exists(kind) {
				d.fault(p.Key, "E515", fmt.Sprintf("%q goes with %s, not with %s", f.key, f.when, kind), "")
			}
		}
	}
}

// isBareSecret refuses a value where a reference belongs, without repeating it: it
// may be the secret itself.
func (d *decoder) isBareSecret(n *strictyaml.Node, t reflect.Type) bool {
	if t != reflect.TypeFor[Secret]() && t != reflect.TypeFor[Credential]() || n.Kind != strictyaml.Scalar {
		return false
	}
	d.fault(n, "E516", "a secret is never written here", "write {file: PATH}, and change the secret if this was it")
	return true
}

// named reads a mapping of names to structs into the slice v, in the file's order.
func (d *decoder) named(n *strictyaml.Node, v reflect.Value, nameRule string) {
	list := reflect.MakeSlice(v.Type(), 0, 8)
	check := checkName
	if nameRule == "bucket" {
		check = checkLogical
	}
	for _, p := range n.Pairs(d.faults) {
		if c := check(p.Key.Value); c.code != "" {
			d.fault(p.Key, c.code, fmt.Sprintf("%q %s", p.Key.Value, c.text), c.hint)
		}
		entry := reflect.New(v.Type().Elem()).Elem()
		nameOf(entry).SetString(p.Key.Value)
		if b, ok := entry.Addr().Interface().(*Backend); ok {
			b.ConditionalWrites = true
		}
		d.given[p.Value.Path] = p.Value
		d.fill(p.Value, entry)
		list = reflect.Append(list, entry)
	}
	v.Set(list)
}

// keyrings reads the list of keyrings: an entry with several scopes is as many
// keyrings.
func (d *decoder) keyrings(n *strictyaml.Node) []Keyring {
	list := []Keyring{}
	for _, item := range n.List(d.faults) {
		fields := item.Fields(d.faults, "scope", "scopes", "kek")
		item.Need(d.faults, fields, "kek")
		one, several := fields["scope"], fields["scopes"]
		if item.Kind == strictyaml.Map && (one == nil) == (several == nil) {
			d.fault(item, "E515", "one of scope and scopes is wanted", "")
		}
		kek, _ := d.text(fields["kek"])
		scopes := several.List(d.faults)
		if several.Present() && len(scopes) == 0 {
			d.fault(several, "E510", "no scope is given", "")
		}
		if one != nil {
			scopes = append(scopes, one)
		}
		for _, s := range scopes {
			if scope, ok := d.text(s); ok {
				d.given[keyringPath(len(list))] = s
				d.given[keyringPath(len(list))+".kek"] = fields["kek"]
				list = append(list, Keyring{Scope: scope, KEK: kek})
			}
		}
	}
	return list
}

// issuers reads the list of issuers into the slice v.
func (d *decoder) issuers(n *strictyaml.Node, v reflect.Value) {
	list := reflect.MakeSlice(v.Type(), 0, 4)
	for i, item := range n.List(d.faults) {
		entry := reflect.New(v.Type().Elem()).Elem()
		d.given[issuerPath(i)] = item
		d.fill(item, entry)
		list = reflect.Append(list, entry)
	}
	v.Set(list)
}

// issuerPath is under which the node of the ith issuer is kept.
func issuerPath(i int) string { return fmt.Sprintf("issuer %d", i) }

// keyringPath is under which the node of the ith keyring's scope is kept.
func keyringPath(i int) string { return fmt.Sprintf("keyring %d", i) }
