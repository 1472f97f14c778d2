// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"reflect"
	"strings"
	"time"
)

// openapi describes the API, made from the rows that serve it: it cannot
// promise what does not exist.
func openapi(_ context.Context, c *call, _ []byte) (any, error) { return Describe(), nil }

// Describe gives the OpenAPI 3.1 document of the control API.
func Describe() map[string]any {
	paths := map[string]map[string]any{}
	for _, r := range table() {
		if paths[r.path] == nil {
			paths[r.path] = map[string]any{}
		}
		paths[r.path][strings.ToLower(r.method)] = describeRoute(r)
	}
	return map[string]any{
		"openapi": "3.1.0",
		"info":    map[string]any{"title": "Sealgate control", "version": "1"},
		"paths":   paths,
		"components": map[string]any{"schemas": map[string]any{
			"Problem": schemaOf(reflect.TypeFor[Problem]()),
		}},
	}
}

// shapes gives the bodies of each action: what goes in, what comes out.
var shapes = map[string]struct{ in, out reflect.Type }{
	"config-reload":  {nil, reflect.TypeFor[ReloadResult]()},
	"kek-list":       {nil, reflect.TypeFor[[]KEK]()},
	"keyring-list":   {nil, reflect.TypeFor[[]Keyring]()},
	"kek-rotate":     {nil, reflect.TypeFor[Rotation]()},
	"cert-read":      {nil, reflect.TypeFor[Certs]()},
	"entry-list":     {nil, reflect.TypeFor[[]Entry]()},
	"entry-add":      {reflect.TypeFor[Entry](), reflect.TypeFor[Entry]()},
	"entry-delete":   {nil, nil},
	"policy-explain": {reflect.TypeFor[ExplainQuery](), reflect.TypeFor[Explanation]()},
	"audit-search":   {nil, reflect.TypeFor[Records]()},
	"openapi":        {nil, nil},
}

func describeRoute(r route) map[string]any {
	shape := shapes[r.action]
	out := map[string]any{"type": "object"}
	if shape.out != nil {
		out = schemaOf(shape.out)
	}
	if shape.out != nil && shape.out.Kind() == reflect.Slice {
		out = map[string]any{"type": "object", "properties": map[string]any{"items": out, "next": map[string]any{"type": "string"}}}
	}
	op := map[string]any{
		"operationId": r.action,
		"description": "Needs " + r.verb.String() + " on " + r.bucket + "/" + r.key + ".",
		"responses": map[string]any{
			"200":     map[string]any{"description": "done", "content": map[string]any{"application/json": map[string]any{"schema": out}}},
			"default": map[string]any{"description": "not done", "content": map[string]any{"application/problem+json": map[string]any{"schema": map[string]any{"$ref": "#/components/schemas/Problem"}}}},
		},
	}
	if shape.in != nil {
		op["requestBody"] = map[string]any{"required": true, "content": map[string]any{"application/json": map[string]any{"schema": schemaOf(shape.in)}}}
	}
	if strings.Contains(r.path, "{name}") {
		op["parameters"] = []any{map[string]any{"name": "name", "in": "path", "required": true, "schema": map[string]any{"type": "string"}}}
	}
	return op
}

func schemaOf(t reflect.Type) map[string]any {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return map[string]any{"type": "string", "format": "date-time"}
	case t.Kind() == reflect.Pointer:
		return schemaOf(t.Elem())
	case t.Kind() == reflect.Slice:
		return map[string]any{"type": "array", "items": schemaOf(t.Elem())}
	case t.Kind() == reflect.Map || t.Kind() == reflect.Interface:
		return map[string]any{"type": "object"}
	case t.Kind() == reflect.Struct:
		return structSchema(t)
	case t.Kind() == reflect.String:
		return map[string]any{"type": "string"}
	case t.Kind() == reflect.Bool:
		return map[string]any{"type": "boolean"}
	}
	return map[string]any{"type": "integer"}
}

func structSchema(t reflect.Type) map[string]any {
	props := map[string]any{}
	for f := range fields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name != "" && name != "-" {
			props[name] = schemaOf(f.Type)
		}
	}
	return map[string]any{"type": "object", "properties": props}
}

func fields(t reflect.Type) func(func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for i := range t.NumField() {
			if !yield(t.Field(i)) {
				return
			}
		}
	}
}
