// SPDX-License-Identifier: Apache-2.0

package strictyaml

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Kind is what a node is.
type Kind uint8

// The kinds of nodes.
const (
	Null   Kind = iota // no value at all, ~ or null
	Scalar             // a word, number, boolean or quoted text
	List
	Map
)

// String is the kind as faults name it.
func (k Kind) String() string {
	return [...]string{"nothing", "a single value", "a list", "a mapping"}[k]
}

// Node is one value of a document. All accessors may be called on nil, which
// stands for a key that is not given: they return zero and report nothing.
type Node struct {
	Line, Col int    // from 1; Col in characters
	Kind      Kind   // Null for what could not be read
	Value     string // of a Scalar: its text, without quotes and escapes
	Quoted    bool   // of a Scalar: quoted or a block scalar, so certainly text
	Path      string // for example "keyrings[1].offline.reads"

	notText string // of a plain Scalar: what YAML may take it for, "" if text
	items   []*Node
	pairs   []Pair
	doc     *document
}

// Pair is one entry of a mapping, in the order of the document.
type Pair struct{ Key, Value *Node }

// Fault adds a fault at n. The severity follows from the code's first letter.
func (n *Node) Fault(fs *Faults, code, text, hint string) {
	fs.Add(Fault{File: n.doc.file, Line: max(n.Line, 1), Col: max(n.Col, 1), Code: code, Text: text, Hint: hint})
}

// Present reports whether the key is given with a value other than null.
func (n *Node) Present() bool { return n != nil && n.Kind != Null }

// Fields returns the values of a mapping by key. Keys other than known are
// faults, E004, with the nearest known one as a hint; so is anything but a
// mapping. The result is never nil.
func (n *Node) Fields(fs *Faults, known ...string) map[string]*Node {
	fields := make(map[string]*Node)
	for _, p := range n.Pairs(fs) {
		if !slices.Contains(known, p.Key.Value) {
			p.Key.Fault(fs, "E004", fmt.Sprintf("unknown key %q", p.Key.Value), DidYouMean(p.Key.Value, known))
			continue
		}
		fields[p.Key.Value] = p.Value
	}
	return fields
}

// Need adds fault E007 for each of keys that the mapping n does not give.
func (n *Node) Need(fs *Faults, fields map[string]*Node, keys ...string) {
	if n == nil || n.Kind != Map {
		return
	}
	for _, k := range keys {
		if !fields[k].Present() {
			n.Fault(fs, "E007", fmt.Sprintf("%q is missing%s", k, n.in()), "")
		}
	}
}

func (n *Node) in() string {
	if n.Path == "" {
		return ""
	}
	return " in " + n.Path
}

// Pairs returns the entries of a mapping in the order of the document; anything
// but a mapping is fault E006.
func (n *Node) Pairs(fs *Faults) []Pair {
	if n == nil || !n.want(fs, Map) {
		return nil
	}
	return n.pairs
}

// List returns the items of a list; anything else is fault E006.
func (n *Node) List(fs *Faults) []*Node {
	if n == nil || !n.want(fs, List) {
		return nil
	}
	return n.items
}

// String returns a text. A plain word that YAML may read as a boolean, number or
// nothing is fault E006: it has to be quoted.
func (n *Node) String(fs *Faults) string {
	if n == nil || !n.want(fs, Scalar) {
		return ""
	}
	if n.notText != "" {
		n.Fault(fs, "E006", fmt.Sprintf("%s%s may be read as %s", n.label(), n.Value, n.notText), fmt.Sprintf("quote it: %q", n.Value))
		return ""
	}
	return n.Value
}

// Int returns a plain decimal number between lowest and highest, else fault E006.
func (n *Node) Int(fs *Faults, lowest, highest int64) int64 {
	if n == nil || !n.want(fs, Scalar) {
		return 0
	}
	v, err := strconv.ParseInt(n.Value, 10, 64)
	if n.Quoted || !decimal.MatchString(n.Value) || err != nil {
		n.Fault(fs, "E006", fmt.Sprintf("%s%q is not a plain decimal number", n.label(), n.Value), "")
		return 0
	}
	if v < lowest || v > highest {
		n.Fault(fs, "E006", fmt.Sprintf("%s%d is not between %d and %d", n.label(), v, lowest, highest), "")
		return 0
	}
	return v
}

// Bool returns true or false, which have to be spelled so and unquoted; anything
// else, also yes and on, is fault E006.
func (n *Node) Bool(fs *Faults) bool {
	if n == nil || !n.want(fs, Scalar) {
		return false
	}
	if n.Quoted || n.Value != "true" && n.Value != "false" {
		n.Fault(fs, "E006", fmt.Sprintf("%s%q is not a boolean", n.label(), n.Value), "write true or false, unquoted")
		return false
	}
	return n.Value == "true"
}

// want reports whether n is of kind k and adds fault E006 otherwise.
func (n *Node) want(fs *Faults, k Kind) bool {
	if n.Kind == k {
		return true
	}
	n.Fault(fs, "E006", fmt.Sprintf("%s%s is wanted here, not %s", n.label(), k, n.Kind), "")
	return false
}

// label is the path of n as a prefix of a fault's text.
func (n *Node) label() string {
	if n.Path == "" {
		return ""
	}
	return n.Path + ": "
}

var (
	decimal = regexp.MustCompile(`^(0|-?[1-9][0-9]*)$`)
	// What YAML 1.1 takes for numbers and 1.2 does not: base 60, digit groups,
	// octal with a bare leading zero. Also a timestamp, in both.
	number11 = regexp.MustCompile(`^[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?$|^[-+]?[0-9][0-9_]*(\.[0-9_]*)?$|^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ].*)?$`)
)

// scalar classifies the scalar y.
func (n *Node) scalar(y *yaml.Node) {
	n.Kind, n.Value = Scalar, y.Value
	n.Quoted = y.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0
	if n.Quoted {
		return
	}
	if y.Tag == "!!null" {
		n.Kind = Null
	}
	n.notText = otherReading(y)
}

// otherReading is what YAML 1.1 or 1.2 may take the plain scalar y for, "" if
// it is text in both.
func otherReading(y *yaml.Node) string {
	switch strings.ToLower(y.Value) {
	case "y", "n", "yes", "no", "on", "off", "true", "false":
		return "a boolean"
	}
	switch tag := y.Tag; {
	case tag == "!!null":
		return "no value"
	case tag == "!!bool":
		return "a boolean"
	case tag == "!!int", tag == "!!float", tag == "!!timestamp", number11.MatchString(y.Value):
		return "a number or date"
	}
	return ""
}
