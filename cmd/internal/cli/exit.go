// SPDX-License-Identifier: Apache-2.0

package cli

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
	Failed      = 1   // it did not work
	Usage       = 2   // called wrongly, or a file that does not parse or check
	Denied      = 3   // by policy or identity
	Integrity   = 4   // a tampered object, a wrong proof or checksum
	Unavailable = 5   // try again: KMS, database, store, gateway
	Found       = 6   // the check ran and found something
	Audit       = 74  // `sealgate serve` only: the audit log cannot be trusted
	NotStarted  = 125 // `sealgate-agent run` only: the command could not be started
	Interrupted = 130
)

// Error is an error with the exit code it means, and what to do about it.
type Error struct {
	Code      int
	Err       error
	Hint      string // what to do; may be empty
	Where     string // the path, file or address it is about; may be empty
	RequestID string // of the gateway's answer; may be empty
}

// Error gives the text and what to do.
func (e *Error) Error() string {
	if e.Hint == "" {
		return e.Err.Error()
	}
	return e.Err.Error() + "; " + e.Hint
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Fail gives err an exit code and a hint.
func Fail(code int, err error, hint string) error {
	return &Error{Code: code, Err: err, Hint: hint}
}

// Misuse is an error of how a command was called.
func Misuse(hint, format string, args ...any) error {
	return Fail(Usage, fmt.Errorf(format, args...), hint)
}

// ReportedError is an error whose text was printed where it belongs, such as the
// faults of a file; only the code is left to give.
type ReportedError struct{ Code int }

func (ReportedError) Error() string { return "see above" }

var codeWords = map[int]string{
	Failed: "internal", Usage: "invalid", Denied: "denied", Integrity: "integrity", Unavailable: "unavailable", Found: "found",
	Audit: "audit", NotStarted: "not_started", Interrupted: "interrupted",
}

// Report prints an error of a program as one line, or as JSON, and gives the
// exit code; 0 for nil.
func Report(ctx context.Context, stderr io.Writer, program string, asJSON bool, err error) int {
	if err == nil {
		return 0
	}
	if r, ok := errors.AsType[ReportedError](err); ok {
		return r.Code
	}
	code, hint, id := Failed, "", ""
	text := err.Error()
	if e, ok := errors.AsType[*Error](err); ok {
		code, hint, id = e.Code, e.Hint, e.RequestID
		text = strings.TrimSuffix(text, "; "+hint)
	}
	where := whereOf(err)
	if ctx.Err() != nil && (code == Failed || code == Unavailable) {
		code, text, hint = Interrupted, "interrupted", "" // whatever else was wrong came of that
	}
	if !asJSON {
		line := program + ": " + text
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
	if e, ok := errors.AsType[*Error](err); ok && e.Where != "" {
		return e.Where
	}
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Path
	}
	return ""
}

// RootCause gives the innermost error: what the system said, without the
// layers that carried it.
func RootCause(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}
