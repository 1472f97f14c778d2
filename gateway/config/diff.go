// SPDX-License-Identifier: Apache-2.0

package config

import (
	"reflect"
	"slices"
)

// Changes are the paths of what differs between two configurations, such as
// "limits.drain" or "buckets.raw.backend", by what it takes to put it in force.
type Changes struct {
	Live    []string // a reload does it
	Restart []string // only a restart does it; a reload that holds one is refused
	Never   []string // it must not be changed at all while anything is stored under it
}

// Diff lists what differs. An entry that is only in next is live: something new is
// never in anybody's way.
func Diff(old, next *Config) Changes {
	var c Changes
	c.fields(reflect.ValueOf(*old), reflect.ValueOf(*next), "", "live")
	return c
}

func (c *Changes) add(class, path string) {
	switch class {
	case "restart":
		c.Restart = append(c.Restart, path)
	case "never":
		c.Never = append(c.Never, path)
	default:
		c.Live = append(c.Live, path)
	}
}

// fields compares two structs of one type. class counts for fields without their own.
func (c *Changes) fields(old, next reflect.Value, path, class string) {
	for _, f := range fieldsOf(old.Type()) {
		at := class
		if f.reload != "" {
			at = f.reload
		}
		sub := f.key
		if path != "" {
			sub = path + "." + f.key
		}
		a, b := old.Field(f.index), next.Field(f.index)
		switch f.as {
		case "":
			c.fields(a, b, sub, at)
		case "named", "keyrings", "issuers":
			c.entries(a, b, sub, at)
		default:
			if !a.Equal(b) {
				c.add(at, sub)
			}
		}
	}
}

// entries compares two lists by the names of their entries. Order means nothing.
func (c *Changes) entries(old, next reflect.Value, path, class string) {
	before, after := byName(old), byName(next)
	for _, name := range sorted(before) {
		sub := path + "." + name
		if b, ok := after[name]; ok {
			c.fields(before[name], b, sub, class)
		} else {
			c.add(class, sub)
		}
	}
	for _, name := range sorted(after) {
		if _, ok := before[name]; !ok {
			c.add("live", path+"."+name)
		}
	}
}

func byName(list reflect.Value) map[string]reflect.Value {
	all := map[string]reflect.Value{}
	for i := range list.Len() {
		entry := list.Index(i)
		if k, ok := entry.Interface().(Keyring); ok {
			all[k.Scope] = entry
			continue
		}
		if i, ok := entry.Interface().(Issuer); ok {
			all[i.URL] = entry
			continue
		}
		all[nameOf(entry).String()] = entry
	}
	return all
}

func sorted(m map[string]reflect.Value) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
