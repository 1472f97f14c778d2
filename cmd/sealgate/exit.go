// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
)

// Exit codes (`sealgate help exit-codes`).
const (
	exitFailed      = 1
	exitUsage       = 2
	exitDenied      = 3
	exitIntegrity   = 4
	exitUnavailable = 5
	exitFound       = 6
	exitAudit       = 74
	exitInterrupted = 130
)

// exitError is an error with the exit code it means, and what to do about it.
type exitError struct {
	code      int
	err       error
	hint      string // what to do; may be empty
	where     string // the path, file or address it is about; may be empty
	requestID string
}

func (e *exitError) Error() string {
	if e.hint == "" {
		return e.err.Error()
	}
	return e.err.Error() + "; " + e.hint
}

func (e *exitError) Unwrap() error { return e.err }

// fail gives err an exit code and a hint.
func fail(code int, err error, hint string) error {
	return &exitError{code: code, err: err, hint: hint}
}

// usage is an error of how a command was called.
func usage(hint, format string, args ...any) error {
	return fail(exitUsage, fmt.Errorf(format, args...), hint)
}

// reported is an error whose text was printed where it belongs, such as the
// faults of a file; only the code is left to give.
type reported struct{ code int }

func (reported) Error() string { return "see above" }

var codeWords = map[int]string{
	exitFailed: "internal", exitUsage: "invalid", exitDenied: "denied", exitIntegrity: "integrity",
	exitUnavailable: "unavailable", exitFound: "found", exitAudit: "audit", exitInterrupted: "interrupted",
}

// report prints an error as one line, or as JSON, and gives the exit code.
func report(ctx context.Context, stderr io.Writer, asJSON bool, err error) int {
	if err == nil {
		return 0
	}
	if r, ok := errors.AsType[reported](err); ok {
		return r.code
	}
	code, hint, id := exitFailed, "", ""
	text := err.Error()
	if e, ok := errors.AsType[*exitError](err); ok {
		code, hint, id = e.code, e.hint, e.requestID
		text = strings.TrimSuffix(text, "; "+hint)
	}
	where := whereOf(err)
	if ctx.Err() != nil && (code == exitFailed || code == exitUnavailable) {
		code, text, hint = exitInterrupted, "interrupted", "" // whatever else was wrong came of that
	}
	if !asJSON {
		line := "sealgate: " + text
		if hint != "" {
			line += "; " + hint
		}
		fmt.Fprintln(stderr, line)
		return code
	}
	fields := map[string]string{"code": codeWords[code], "message": text, "hint": hint, "request_id": id}
	if where != "" {
		fields["where"] = where
	}
	_ = json.NewEncoder(stderr).Encode(map[string]any{"error": fields}) // stderr is the last place to say anything
	return code
}

// whereOf gives the object, file or address that an error is about, "" if it
// is not known.
func whereOf(err error) string {
	if e, ok := errors.AsType[*exitError](err); ok && e.where != "" {
		return e.where
	}
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Path
	}
	return ""
}
