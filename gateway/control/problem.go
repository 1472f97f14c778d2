// SPDX-License-Identifier: Apache-2.0

package control

import (
	"encoding/json"
	"errors"
	"net/http"
)

// Code says what kind of failure a Problem is; the list is closed.
type Code string

// The codes, each with the exit code a command ends with.
const (
	Invalid      Code = "invalid"      // 2
	Denied       Code = "denied"       // 3
	NotFound     Code = "not_found"    // 1
	Conflict     Code = "conflict"     // 1
	Precondition Code = "precondition" // 1
	TooLarge     Code = "too_large"    // 1
	Throttled    Code = "throttled"    // 5
	Unavailable  Code = "unavailable"  // 5
	Integrity    Code = "integrity"    // 4
	Internal     Code = "internal"     // 1
)

var statuses = map[Code]int{
	Invalid: 400, Denied: 403, NotFound: 404, Conflict: 409, Precondition: 412,
	TooLarge: 413, Throttled: 429, Unavailable: 503, Integrity: 500, Internal: 500,
}

// Problem is an error answer (RFC 9457), as it travels in
// application/problem+json.
type Problem struct { //nolint:errname // the name that RFC 9457 gives it
	Type      string `json:"type"` // urn:sealgate:error:CODE
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Detail    string `json:"detail"`
	Code      Code   `json:"code"`
	Reason    string `json:"reason,omitempty"` // of a denial
	RequestID string `json:"request_id"`
}

// Error gives the detail, which says what is wrong and what to do.
func (p *Problem) Error() string { return p.Detail }

// Fail makes a Problem.
func Fail(c Code, detail string) *Problem {
	return &Problem{Type: "urn:sealgate:error:" + string(c), Title: http.StatusText(statuses[c]), Status: statuses[c], Detail: detail, Code: c}
}

// problemOf gives what to answer for an error: a Problem as it is, anything
// else as an internal failure whose text stays inside.
func problemOf(err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	return Fail(Internal, "the request failed inside the gateway; its log says why")
}

func writeProblem(w http.ResponseWriter, p *Problem, requestID string) {
	answer := *p
	answer.RequestID = requestID
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(&answer) // a caller who is gone cannot be told
}
