// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/gateway/internal/strictyaml"
)

// codec reads and writes one kind of value. read sets v and adds faults; arg is what
// follows the codec's name in the tag. write returns plain text, not quoted; "" is a
// field that is absent.
type codec struct {
	read  func(d *decoder, n *strictyaml.Node, v reflect.Value, arg string)
	write func(v reflect.Value) string
}

// codecs by the name in the tag "as". The lists, named and keyrings, are read and
// written apart.
var codecs = map[string]codec{
	"version":      {readVersion, writeInt},
	"count":        {readCount, writeInt},
	"bool":         {readBool, writeBool},
	"flag":         {readBool, writeFlag},
	"enum":         {readEnum, reflect.Value.String},
	"text":         {readChecked(checkText), reflect.Value.String},
	"name":         {readChecked(checkName), reflect.Value.String},
	"bucket":       {readChecked(checkBucket), reflect.Value.String},
	"address":      {readChecked(checkAddress), reflect.Value.String},
	"socket":       {readChecked(checkSocket), reflect.Value.String},
	"endpoint":     {readEndpoint, reflect.Value.String},
	"database":     {readDatabase, reflect.Value.String},
	"path":         {readPath, reflect.Value.String},
	"trust-domain": {readTrustDomain, writeTrustDomain},
	"id":           {readID, writeID},
	"duration":     {readDuration, writeDuration},
	"size":         {readSize, writeSize},
	"byte-rate":    {readRate, writeRate},
	"local":        {readChecked(checkLocal), reflect.Value.String},
	"domain":       {readChecked(checkDomain), reflect.Value.String},
	"words":        {readWords, writeWords},
	"url":          {readURL, reflect.Value.String},
}

// complaint is what a check has against a text. The zero value is none.
type complaint struct{ code, text, hint string }

// readChecked is the reader of a string that a check accepts.
func readChecked(check func(string) complaint) func(*decoder, *strictyaml.Node, reflect.Value, string) {
	return func(d *decoder, n *strictyaml.Node, v reflect.Value, _ string) {
		s, ok := d.text(n)
		if !ok {
			return
		}
		if c := check(s); c.code != "" {
			d.fault(n, c.code, fmt.Sprintf("%q %s", s, c.text), c.hint)
			return
		}
		v.SetString(s)
	}
}

func readVersion(d *decoder, n *strictyaml.Node, v reflect.Value, _ string) {
	before := len(*d.faults)
	version := n.Int(d.faults, 0, 1<<31)
	if len(*d.faults) == before && version != 1 {
		n.Fault(d.faults, "E501", fmt.Sprintf("version %d of this file is not known", version), "this sealgate reads version 1")
	}
	v.SetInt(version)
}

func readCount(d *decoder, n *strictyaml.Node, v reflect.Value, arg string) {
	lowest, highest, _ := strings.Cut(arg, "..")
	lo, _ := strconv.ParseInt(lowest, 10, 64)
	hi, _ := strconv.ParseInt(highest, 10, 64)
	v.SetInt(n.Int(d.faults, lo, hi))
}

func readBool(d *decoder, n *strictyaml.Node, v reflect.Value, _ string) { v.SetBool(n.Bool(d.faults)) }

func readEnum(d *decoder, n *strictyaml.Node, v reflect.Value, arg string) {
	s, ok := d.text(n)
	if !ok {
		return
	}
	words := strings.Split(arg, "|")
	if !slices.Contains(words, s) {
		hint := strictyaml.DidYouMean(s, words)
		if hint == "" {
			last := len(words) - 1
			hint = "write " + strings.TrimPrefix(strings.Join(words[:last], ", ")+" or ", " or ") + words[last]
		}
		d.fault(n, "E514", fmt.Sprintf("%q is not possible here", s), hint)
		v.SetString("") // no default in its place: what depends on it is not guessed at
		return
	}
	v.SetString(s)
}

func readTrustDomain(d *decoder, n *strictyaml.Node, v reflect.Value, _ string) {
	s, ok := d.text(n)
	if !ok {
		return
	}
	td, err := certs.ParseTrustDomain(s)
	if err != nil {
		d.fault(n, "E503", fmt.Sprintf("%q is %v", s, err), "write it bare, as in acme.ai")
		return
	}
	v.Set(reflect.ValueOf(td))
}

func readID(d *decoder, n *strictyaml.Node, v reflect.Value, _ string) {
	s, ok := d.text(n)
	if !ok {
		return
	}
	id, err := certs.ParseID(s)
	if err != nil {
		d.fault(n, "E503", fmt.Sprintf("%q is %v", s, err), "")
		return
	}
	v.Set(reflect.ValueOf(id))
}

func readDuration(d *decoder, n *strictyaml.Node, v reflect.Value, arg string) {
	value := measured(d, n, arg, func(fs *strictyaml.Faults) time.Duration { return n.Duration(fs, "E512") },
		func(s string) time.Duration { t, _, _ := strictyaml.ParseDuration(s); return t })
	v.SetInt(int64(value))
}

func readSize(d *decoder, n *strictyaml.Node, v reflect.Value, arg string) {
	value := measured(d, n, arg, func(fs *strictyaml.Faults) int64 { return n.Size(fs, "E512") },
		func(s string) int64 { size, _, _ := strictyaml.ParseSize(s); return size })
	v.SetInt(value)
}

func readRate(d *decoder, n *strictyaml.Node, v reflect.Value, arg string) {
	value := measured(d, n, arg, func(fs *strictyaml.Faults) int64 {
		before := len(*fs)
		rate := n.Rate(fs, "E512")
		if len(*fs) == before && !rate.Bytes {
			d.fault(n, "E512", fmt.Sprintf("%q counts something else than bytes", n.Value), "write a size per second, as in 16KiB/s")
		}
		return rate.PerSecond
	}, func(s string) int64 { rate, _, _ := strictyaml.ParseRate(s); return rate.PerSecond })
	v.SetInt(value)
}

// measured reads a value with a unit and holds it to the bounds in arg, LOWEST..HIGHEST.
func measured[T int64 | time.Duration](d *decoder, n *strictyaml.Node, arg string, read func(*strictyaml.Faults) T, parse func(string) T) T {
	before := len(*d.faults)
	value := read(d.faults)
	lowest, highest, _ := strings.Cut(arg, "..")
	if len(*d.faults) == before && (value < parse(lowest) || value > parse(highest)) {
		d.fault(n, "E513", n.Value+" is out of bounds", fmt.Sprintf("%s to %s is possible", lowest, highest))
	}
	return value
}

func writeInt(v reflect.Value) string         { return strconv.FormatInt(v.Int(), 10) }
func writeBool(v reflect.Value) string        { return strconv.FormatBool(v.Bool()) }
func writeTrustDomain(v reflect.Value) string { return v.Interface().(certs.TrustDomain).String() }
func writeID(v reflect.Value) string          { return v.Interface().(certs.ID).String() }
func writeDuration(v reflect.Value) string    { return strictyaml.FormatDuration(time.Duration(v.Int())) }
func writeSize(v reflect.Value) string        { return strictyaml.FormatSize(v.Int()) }
func writeRate(v reflect.Value) string        { return strictyaml.FormatSize(v.Int()) + "/s" }

// writeFlag: a flag that is not set is absent.
func writeFlag(v reflect.Value) string {
	if v.Bool() {
		return "true"
	}
	return ""
}

// writeWords writes a list in flow style; an empty one is absent.
func writeWords(v reflect.Value) string {
	var all []string
	for i := range v.Len() {
		all = append(all, yamlQuote(v.Index(i).String()))
	}
	if len(all) == 0 {
		return ""
	}
	return "[" + strings.Join(all, ", ") + "]"
}
