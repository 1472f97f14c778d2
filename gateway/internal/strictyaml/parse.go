// SPDX-License-Identifier: Apache-2.0

package strictyaml

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// Bounds of a document. They are far above any document a person maintains and
// keep a hostile one from costing more than a few tens of megabytes.
const (
	MaxBytes = 1 << 20 // length of the source
	MaxDepth = 32      // nested mappings and lists
	MaxNodes = 200_000 // mappings, lists and scalars together, keys included
)

// Parse reads the one document in src. Faults are added to fs under the name
// file. After an error it returns what could be read, so that the caller can look
// for further faults; it returns nil only if there is nothing to look at.
func Parse(file string, src []byte, fs *Faults) *Node {
	d := &document{file: file, faults: fs}
	if !d.checkBytes(src) {
		return nil
	}
	ld, err := yaml.NewLoader(bytes.NewReader(src), yaml.WithPlugin(limits{}))
	if err != nil {
		d.add(1, 1, "E001", err.Error(), "")
		return nil
	}
	var first yaml.Node
	if err := ld.Load(&first); err != nil {
		d.syntax(err)
		return nil
	}
	d.checkEnd(ld)
	if first.Kind != yaml.DocumentNode || len(first.Content) != 1 {
		d.add(1, 1, "E001", "the document is empty", "")
		return nil
	}
	root := d.node(first.Content[0], "")
	d.faults = nil // from here on faults go to the list given to the accessor
	return root
}

// limits bounds the depth inside the library, before its recursion can grow.
type limits struct{}

func (limits) CheckDepth(depth int, _ *yaml.DepthContext) error {
	if depth > MaxDepth {
		return fmt.Errorf("nested deeper than %d levels", MaxDepth)
	}
	return nil
}

func (limits) CheckAlias(int, int) error { return nil } // aliases are never expanded here

// document is what all nodes of one file share.
type document struct {
	file   string
	faults *Faults // only while parsing
	nodes  int
}

func (d *document) add(line, col int, code, text, hint string) {
	d.faults.Add(Fault{File: d.file, Line: max(line, 1), Col: max(col, 1), Code: code, Text: text, Hint: hint})
}

// checkBytes refuses what must not reach the library or a reviewer's eyes.
func (d *document) checkBytes(src []byte) bool {
	if len(src) > MaxBytes {
		d.add(1, 1, "E001", fmt.Sprintf("%d bytes are more than a document may have (%d)", len(src), MaxBytes), "")
		return false
	}
	before := len(*d.faults)
	line, col := 1, 1
	for i := 0; i < len(src); {
		r, n := utf8.DecodeRune(src[i:])
		if r == utf8.RuneError && n == 1 {
			d.add(line, col, "E001", fmt.Sprintf("byte 0x%02x is not UTF-8", src[i]), "save the file as UTF-8")
			return false // more of the same would follow
		}
		if hidden(r, src[i+n:]) {
			d.add(line, col, "E001", fmt.Sprintf("character %U is invisible or breaks a line invisibly", r), "remove it, or write it escaped inside double quotes")
		}
		i, col = i+n, col+1
		if r == '\n' {
			line, col = line+1, 1
		}
	}
	return len(*d.faults) == before
}

// hidden tells characters with which a document reads differently from what it
// is: format characters (zero-width, bidirectional), controls, and the line
// breaks that YAML honours but editors do not show.
func hidden(r rune, rest []byte) bool {
	switch r {
	case '\n', '\t':
		return false
	case '\r':
		return len(rest) == 0 || rest[0] != '\n'
	case '\u2028', '\u2029':
		return true
	}
	return unicode.Is(unicode.Cf, r) || unicode.IsControl(r)
}

// checkEnd refuses a second document and the syntax faults behind the first.
func (d *document) checkEnd(ld *yaml.Loader) {
	var second yaml.Node
	err := ld.Load(&second)
	if errors.Is(err, io.EOF) {
		return
	}
	if err != nil {
		d.syntax(err)
		return
	}
	d.add(second.Line, second.Column, "E002", "a second document begins here; one file holds one", "")
}

// syntax reports an error of the library, which stops at its first.
func (d *document) syntax(err error) {
	if errors.Is(err, io.EOF) {
		d.add(1, 1, "E001", "the document is empty", "")
		return
	}
	le, ok := errors.AsType[*yaml.LoadError](err)
	if !ok {
		d.add(1, 1, "E001", err.Error(), "")
		return
	}
	text := le.Message
	if le.ContextMsg != "" {
		text = le.ContextMsg + ": " + text
	}
	at := le.Mark
	if at.Line == 0 {
		at = le.ContextMark
	}
	d.add(at.Line, at.Column, "E001", text, "")
}
