// SPDX-License-Identifier: Apache-2.0

package config

import (
	"reflect"
	"strings"
)

// field is one field of a configuration struct, as its tags define it.
type field struct {
	index  int
	key    string // in the file
	as     string // which codec; "" is a mapping of its own
	arg    string // what follows the codec's name
	when   string // the kind or source that has this field; "" is all
	reload string // "" is that of the field around it
	doc    string
	need   bool
}

// fieldsOf lists the fields of the struct type t that are written in the file, in
// the order of their declaration.
func fieldsOf(t reflect.Type) []field {
	var all []field
	for i := range t.NumField() {
		tag := t.Field(i).Tag
		key := tag.Get("yaml")
		if key == "-" {
			continue
		}
		as, arg, _ := strings.Cut(tag.Get("as"), " ")
		all = append(all, field{
			index: i, key: key, as: as, arg: arg, when: tag.Get("when"),
			reload: tag.Get("reload"), doc: tag.Get("doc"), need: tag.Get("need") == "true",
		})
	}
	return all
}

// selected returns the value of v's kind or source field, which decides which of
// its other fields exist; "" if it has none.
func selected(v reflect.Value, fields []field) string {
	for _, f := range fields {
		if f.key == "kind" || f.key == "source" {
			return v.Field(f.index).String()
		}
	}
	return ""
}

// exists reports whether a struct with the given kind or source has f.
func (f field) exists(selected string) bool { return f.when == "" || f.when == selected }

// nameOf is the field that holds the key under which an entry of a named list is
// written.
func nameOf(entry reflect.Value) reflect.Value { return entry.FieldByName("Name") }
