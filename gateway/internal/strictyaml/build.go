// SPDX-License-Identifier: Apache-2.0

package strictyaml

import (
	"fmt"

	"go.yaml.in/yaml/v4"
)

// node converts y, whose place in the document is path.
func (d *document) node(y *yaml.Node, path string) *Node {
	n := &Node{Line: y.Line, Col: y.Column, Path: path, doc: d}
	if d.nodes++; d.nodes > MaxNodes {
		if d.nodes == MaxNodes+1 {
			d.add(y.Line, y.Column, "E001", fmt.Sprintf("the document has more than %d values", MaxNodes), "")
		}
		return n
	}
	d.checkPlain(y)
	switch y.Kind {
	case yaml.MappingNode:
		n.Kind = Map
		d.pairs(n, y.Content)
	case yaml.SequenceNode:
		n.Kind = List
		for i, item := range y.Content {
			n.items = append(n.items, d.node(item, fmt.Sprintf("%s[%d]", path, i)))
		}
	case yaml.ScalarNode:
		n.scalar(y)
	}
	return n
}

// checkPlain refuses everything by which one place of a document can stand for
// another, or a value for something else than its text.
func (d *document) checkPlain(y *yaml.Node) {
	switch {
	case y.Kind == yaml.AliasNode:
		d.add(y.Line, y.Column, "E003", fmt.Sprintf("alias *%s: aliases are not allowed", y.Value), "write the value out")
	case y.Anchor != "":
		d.add(y.Line, y.Column, "E003", fmt.Sprintf("anchor &%s: anchors are not allowed", y.Anchor), "remove it")
	case y.Style&yaml.TaggedStyle != 0:
		d.add(y.Line, y.Column, "E003", fmt.Sprintf("tag %s: tags are not allowed", y.Tag), "remove it")
	}
}

// pairs fills the mapping n, keeping the first of repeated keys.
func (d *document) pairs(n *Node, content []*yaml.Node) {
	seen := make(map[string]*Node, len(content)/2)
	for i := 0; i+1 < len(content); i += 2 {
		key := d.node(content[i], n.Path)
		value := d.node(content[i+1], join(n.Path, key.Value))
		if !d.checkKey(content[i], key) {
			continue
		}
		if first, ok := seen[key.Value]; ok {
			d.add(key.Line, key.Col, "E005", fmt.Sprintf("key %q is already given in line %d", key.Value, first.Line), "")
			continue
		}
		seen[key.Value] = key
		n.pairs = append(n.pairs, Pair{Key: key, Value: value})
	}
}

func (d *document) checkKey(y *yaml.Node, key *Node) bool {
	if key.Kind != Scalar && key.Kind != Null || y.Kind == yaml.AliasNode {
		d.add(key.Line, key.Col, "E006", "a key has to be a word", "")
		return false
	}
	if !key.Quoted && key.Value == "<<" {
		d.add(key.Line, key.Col, "E003", "merge key <<: merge keys are not allowed", "write the keys out")
		return false
	}
	if key.notText != "" {
		d.add(key.Line, key.Col, "E006", fmt.Sprintf("key %s may be read as %s", key.Value, key.notText), fmt.Sprintf("quote it: %q", key.Value))
	}
	return true
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
