// SPDX-License-Identifier: Apache-2.0

package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"
)

// decode reads one JSON object into a struct: every name known, spelled
// exactly, and given once. What two readers could read differently is refused.
func decode(body []byte, into any) error {
	if err := checkNames(body, known(into)); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(body))
	if err := d.Decode(into); err != nil {
		return Fail(Invalid, "the body does not parse: "+jsonFault(err))
	}
	if _, err := d.Token(); err != io.EOF {
		return Fail(Invalid, "the body holds more than one JSON value")
	}
	return nil
}

// known gives the names of a struct's fields in JSON.
func known(into any) map[string]bool {
	names := map[string]bool{}
	for f := range fields(reflect.TypeOf(into).Elem()) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		names[name] = true
	}
	return names
}

// checkNames walks the names of an object, and of the objects in it.
func checkNames(body []byte, known map[string]bool) error {
	d := json.NewDecoder(bytes.NewReader(body))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return Fail(Invalid, "the body is no JSON object")
	}
	return namesOf(d, known)
}

// namesOf reads the rest of an object. known is nil where any name may stand.
func namesOf(d *json.Decoder, known map[string]bool) error {
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return Fail(Invalid, "the body does not parse: "+jsonFault(err))
		}
		name, _ := t.(string)
		if known != nil && !known[name] {
			return Fail(Invalid, fmt.Sprintf("the body holds %q, which is not known here", name))
		}
		if seen[name] {
			return Fail(Invalid, fmt.Sprintf("the body holds %q twice", name))
		}
		seen[name] = true
		if err := valueOf(d); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return Fail(Invalid, "the body does not parse: "+jsonFault(err))
	}
	return nil
}

// valueOf reads one value.
func valueOf(d *json.Decoder) error {
	t, err := d.Token()
	switch {
	case err != nil:
		return Fail(Invalid, "the body does not parse: "+jsonFault(err))
	case t == json.Delim('{'):
		return namesOf(d, nil)
	case t == json.Delim('['):
		for d.More() {
			if err := valueOf(d); err != nil {
				return err
			}
		}
		if _, err := d.Token(); err != nil {
			return Fail(Invalid, "the body does not parse: "+jsonFault(err))
		}
	}
	return nil
}

// jsonFault says what is wrong in the words of JSON, not in those of Go.
func jsonFault(err error) string {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Sprintf("%q does not take a %s", wrong.Field, wrong.Value)
	}
	if _, ok := errors.AsType[*time.ParseError](err); ok {
		return "a time is not as in 2027-03-02T09:14:31Z"
	}
	return strings.TrimPrefix(err.Error(), "json: ")
}
