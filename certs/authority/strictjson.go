// SPDX-License-Identifier: Apache-2.0

package authority

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// maxDepth bounds nesting; our own files have 3 levels.
const maxDepth = 8

var errTrailing = errors.New("there is something after the end of the document")

// decodeStrict reads one JSON document into v. Beyond encoding/json it refuses what
// a person and a program might read differently: unknown names, a name twice,
// names in capital letters (which encoding/json would match), bytes that are not
// UTF-8, and anything after the document.
func decodeStrict(data []byte, v any) error {
	if !utf8.Valid(data) {
		return errors.New("it is not UTF-8")
	}
	names := json.NewDecoder(bytes.NewReader(data))
	if err := checkNames(names, 0); err != nil {
		return err
	}
	if _, err := names.Token(); !errors.Is(err, io.EOF) {
		return errTrailing
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	return dec.Decode(v)
}

// checkNames walks over one value and checks the names of all its objects.
func checkNames(dec *json.Decoder, depth int) error {
	tok, err := dec.Token()
	if err != nil {
		return err
	}
	open, ok := tok.(json.Delim)
	if !ok {
		return nil
	}
	if depth >= maxDepth {
		return fmt.Errorf("it is nested deeper than %d", maxDepth)
	}
	seen := map[string]bool{}
	for dec.More() {
		if open == '{' {
			if err := checkName(dec, seen); err != nil {
				return err
			}
		}
		if err := checkNames(dec, depth+1); err != nil {
			return err
		}
	}
	_, err = dec.Token() // the closing one; the decoder has matched it
	return err
}

// checkName compares with the lower-case form because encoding/json would take "UID"
// for "uid", and so would have two values for one name.
func checkName(dec *json.Decoder, seen map[string]bool) error {
	tok, err := dec.Token()
	if err != nil {
		return err
	}
	name, ok := tok.(string)
	switch {
	case !ok || name != strings.ToLower(name):
		return fmt.Errorf("unknown name %q", tok)
	case seen[name]:
		return fmt.Errorf("the name %q is there twice", name)
	}
	seen[name] = true
	return nil
}
