// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Error is an S3 error answer. Every error that reaches a client is one: the
// Code is of the closed table (S3.md, "Errors"), the Status is the table's,
// unless the operation demands another.
type Error struct {
	Code    string
	Status  int    // HTTP status
	Message string // for the client: nothing it did not send or may not know
	// Extra are further elements of the XML body, in order.
	Extra []Element
	// RetryAfter is rendered in whole seconds, rounded up; 0 is none.
	RetryAfter time.Duration
	// Err is the cause, for logs and errors.Is; it is never rendered.
	Err error
}

// Element is one further element of an error body.
type Element struct{ Name, Value string }

// Error returns CODE: MESSAGE.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is an *Error of the same code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// Codes is the closed table of error codes: code, HTTP status, default
// message. No answer carries another code.
var Codes = map[string]struct {
	Status  int
	Message string
}{
	"AccessControlListNotSupported":     {http.StatusBadRequest, "the bucket does not allow ACLs: access is decided by policy"},
	"AccessDenied":                      {http.StatusForbidden, "access denied"},
	"AuthorizationHeaderMalformed":      {http.StatusBadRequest, "the Authorization header is malformed"},
	"AuthorizationQueryParametersError": {http.StatusBadRequest, "the signature in the query is malformed"},
	"BadDigest":                         {http.StatusBadRequest, "the checksum you sent does not match the data that was received"},
	"BucketAlreadyOwnedByYou":           {http.StatusConflict, "the bucket is there already"},
	"ConditionalRequestConflict":        {http.StatusConflict, "a conflicting operation on this key finished first; try again"},
	"ExpiredToken":                      {http.StatusBadRequest, "the session token has expired; ask for a new one"},
	"EntityTooLarge":                    {http.StatusBadRequest, "the upload is larger than an object may be"},
	"InvalidAccessKeyId":                {http.StatusForbidden, "the access key is not one of this gateway"},
	"IncompleteBody":                    {http.StatusBadRequest, "the body is not as long as it was declared to be"},
	"InternalError":                     {http.StatusInternalServerError, "an internal error occurred; try again"},
	"InvalidArgument":                   {http.StatusBadRequest, "an argument is not valid"},
	"InvalidBucketName":                 {http.StatusBadRequest, "the bucket name is not valid"},
	"InvalidDigest":                     {http.StatusBadRequest, "the Content-MD5 you sent is not valid"},
	"InvalidPartNumber":                 {http.StatusRequestedRangeNotSatisfiable, "the object has no such part"},
	"InvalidRange":                      {http.StatusRequestedRangeNotSatisfiable, "the range lies outside of the object"},
	"InvalidRequest":                    {http.StatusBadRequest, "the request is not valid"},
	"InvalidStorageClass":               {http.StatusBadRequest, "the storage class is not available here; leave it out or use STANDARD"},
	"InvalidURI":                        {http.StatusBadRequest, "the path of the request cannot be read"},
	"InvalidToken":                      {http.StatusBadRequest, "the session token is not one of this gateway"},
	"KeyTooLongError":                   {http.StatusBadRequest, "the key is too long"},
	"MetadataTooLarge":                  {http.StatusBadRequest, "the metadata headers are larger than an object may have"},
	"MethodNotAllowed":                  {http.StatusMethodNotAllowed, "the method is not allowed on this resource"},
	"MissingContentLength":              {http.StatusLengthRequired, "you must send Content-Length, or x-amz-decoded-content-length with aws-chunked"},
	"NoSuchBucket":                      {http.StatusNotFound, "the bucket does not exist"},
	"NoSuchKey":                         {http.StatusNotFound, "the key does not exist"},
	"NotImplemented":                    {http.StatusNotImplemented, "this is not implemented"},
	"NotModified":                       {http.StatusNotModified, "not modified"},
	"PreconditionFailed":                {http.StatusPreconditionFailed, "a precondition of the request does not hold"},
	"RequestTimeout":                    {http.StatusBadRequest, "the body was not sent in time"},
	"RequestTimeTooSkewed":              {http.StatusForbidden, "the time of the request is too far from the server's: check the clock of your machine"},
	"ServiceUnavailable":                {http.StatusServiceUnavailable, "the service is not available; try again"},
	"SignatureDoesNotMatch":             {http.StatusForbidden, "the signature does not match the request: check the secret key, and that nothing on the way changes host, path, query or signed headers"},
	"SlowDown":                          {http.StatusServiceUnavailable, "reduce your request rate"},
	"XAmzContentSHA256Mismatch":         {http.StatusBadRequest, "the x-amz-content-sha256 you sent does not match the data that was received"},
}

// NewError makes an error of a code of the table; message "" takes the
// table's. It panics on a code that is not in the table: codes are constants
// of the program, never input.
func NewError(code, message string) *Error {
	row, ok := Codes[code]
	if !ok {
		panic("s3api: internal error: no error code " + strconv.Quote(code))
	}
	if message == "" {
		message = row.Message
	}
	return &Error{Code: code, Status: row.Status, Message: message}
}

// Cause sets the error behind e and returns e.
func (e *Error) Cause(err error) *Error {
	e.Err = err
	return e
}

// AccessDenied is 403; message is shown to the client.
func AccessDenied(message string) *Error { return NewError("AccessDenied", message) }

// InvalidRequest is 400; message says what is wrong.
func InvalidRequest(message string) *Error { return NewError("InvalidRequest", message) }

// NoSuchKey is 404, for who may list the bucket at the key.
func NoSuchKey(key string) *Error {
	e := NewError("NoSuchKey", "")
	e.Extra = []Element{{"Key", key}}
	return e
}

// NoSuchBucket is 404.
func NoSuchBucket(bucket string) *Error {
	e := NewError("NoSuchBucket", "")
	e.Extra = []Element{{"BucketName", bucket}}
	return e
}

// BucketAlreadyOwnedByYou is 409.
func BucketAlreadyOwnedByYou(bucket string) *Error {
	e := NewError("BucketAlreadyOwnedByYou", "")
	e.Extra = []Element{{"BucketName", bucket}}
	return e
}

// InternalError is 500. message "" takes the table's.
func InternalError(message string) *Error { return NewError("InternalError", message) }

// NotImplemented is 501; what names the operation, header or parameter.
func NotImplemented(what string) *Error {
	return NewError("NotImplemented", what+" is not implemented")
}

// PreconditionFailed is 412; condition names the header that did not hold, ""
// when the store found it.
func PreconditionFailed(condition string) *Error {
	e := NewError("PreconditionFailed", "")
	if condition != "" {
		e.Extra = []Element{{"Condition", condition}}
	}
	return e
}

// NotModified is 304, without a body. The caller sets ETag and Last-Modified
// before it is written.
func NotModified() *Error { return NewError("NotModified", "") }

// SlowDown is 503 with Retry-After: a limit of the gateway was met.
func SlowDown(message string) *Error {
	e := NewError("SlowDown", message)
	e.RetryAfter = time.Second
	return e
}

// ServiceUnavailable is 503 with Retry-After: something the gateway needs is
// not there.
func ServiceUnavailable(message string) *Error {
	e := NewError("ServiceUnavailable", message)
	e.RetryAfter = 5 * time.Second
	return e
}

// EntityTooLarge is 400; size and limit are plaintext bytes.
func EntityTooLarge(size, limit int64) *Error {
	e := NewError("EntityTooLarge", fmt.Sprintf("the object has %d bytes; a sealed object holds at most %d", size, limit))
	e.Extra = []Element{
		{"ProposedSize", strconv.FormatInt(size, 10)},
		{"MaxSizeAllowed", strconv.FormatInt(limit, 10)},
	}
	return e
}

// MetadataTooLarge is 400; size is what the client sent, in bytes.
func MetadataTooLarge(size int) *Error {
	e := NewError("MetadataTooLarge", fmt.Sprintf("the metadata headers have %d bytes, names and values; at most %d are kept", size, MaxMetadata))
	e.Extra = []Element{
		{"Size", strconv.Itoa(size)},
		{"MaxSizeAllowed", strconv.Itoa(MaxMetadata)},
	}
	return e
}

// InvalidArgument is 400; name and value are the client's own argument.
func InvalidArgument(name, value, message string) *Error {
	e := NewError("InvalidArgument", message)
	e.Extra = []Element{{"ArgumentName", name}, {"ArgumentValue", value}}
	return e
}
