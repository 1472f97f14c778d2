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
	"AccessControlListNotSupported":     {http.StatusBadRequest, "The bucket does not allow ACLs"},
	"AccessDenied":                      {http.StatusForbidden, "Access Denied."},
	"AuthorizationHeaderMalformed":      {http.StatusBadRequest, "The authorization header is malformed."},
	"AuthorizationQueryParametersError": {http.StatusBadRequest, "The signature in the query is malformed."},
	"BadDigest":                         {http.StatusBadRequest, "The Content-MD5 you specified did not match what we received."},
	"BadRequest":                        {http.StatusBadRequest, "An error occurred when parsing the HTTP request."},
	"BucketAlreadyExists":               {http.StatusConflict, "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again."},
	"BucketAlreadyOwnedByYou":           {http.StatusConflict, "Your previous request to create the named bucket succeeded and you already own it."},
	"BucketNotEmpty":                    {http.StatusConflict, "The bucket you tried to delete is not empty."},
	"ConditionalRequestConflict":        {http.StatusConflict, "a conflicting operation on this key finished first; try again"},
	"EntityTooLarge":                    {http.StatusBadRequest, "Your proposed upload exceeds the maximum allowed object size."},
	"EntityTooSmall":                    {http.StatusBadRequest, "Your proposed upload is smaller than the minimum allowed size"},
	"ExpiredToken":                      {http.StatusBadRequest, "The provided token has expired."},
	"IncompleteBody":                    {http.StatusBadRequest, "The request body terminated unexpectedly"},
	"InternalError":                     {http.StatusInternalServerError, "We encountered an internal error, please try again."},
	"InvalidAccessKeyId":                {http.StatusForbidden, "The AWS Access Key Id you provided does not exist in our records."},
	"InvalidArgument":                   {http.StatusBadRequest, "Invalid Argument"},
	"InvalidBucketName":                 {http.StatusBadRequest, "The specified bucket is not valid."},
	"InvalidChunkSizeError":             {http.StatusBadRequest, "Only the last chunk is allowed to have a size less than 8192 bytes"},
	"InvalidDigest":                     {http.StatusBadRequest, "The Content-Md5 you specified is not valid."},
	"InvalidLocationConstraint":         {http.StatusBadRequest, "The specified location-constraint is not valid"},
	"InvalidPart":                       {http.StatusBadRequest, "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag."},
	"InvalidPartNumber":                 {http.StatusRequestedRangeNotSatisfiable, "The requested partnumber is not satisfiable."},
	"InvalidPartOrder":                  {http.StatusBadRequest, "The list of parts was not in ascending order. Parts must be ordered by part number."},
	"InvalidRedirectLocation":           {http.StatusBadRequest, "The website redirect location must have a prefix of 'http://' or 'https://' or '/'."},
	"InvalidRange":                      {http.StatusRequestedRangeNotSatisfiable, "The requested range is not satisfiable"},
	"InvalidRequest":                    {http.StatusBadRequest, "Invalid Request."},
	"InvalidStorageClass":               {http.StatusBadRequest, "The storage class you specified is not valid"},
	"InvalidTag":                        {http.StatusBadRequest, "The tag provided was not a valid tag."},
	"InvalidToken":                      {http.StatusBadRequest, "The provided token is malformed or otherwise invalid."},
	"InvalidURI":                        {http.StatusBadRequest, "The specified URI couldn't be parsed."},
	"KeyTooLongError":                   {http.StatusBadRequest, "Your key is too long."},
	"MalformedTrailerError":             {http.StatusBadRequest, "The request contained trailing data that was not well-formed or did not conform to our published schema."},
	"MalformedXML":                      {http.StatusBadRequest, "The XML you provided was not well-formed or did not validate against our published schema."},
	"MaxMessageLengthExceeded":          {http.StatusBadRequest, "Your request was too big."},
	"MetadataTooLarge":                  {http.StatusBadRequest, "Your metadata headers exceed the maximum allowed metadata size"},
	"MethodNotAllowed":                  {http.StatusMethodNotAllowed, "The specified method is not allowed against this resource."},
	"MissingContentLength":              {http.StatusLengthRequired, "You must provide the Content-Length HTTP header."},
	"MissingRequestBodyError":           {http.StatusBadRequest, "Request Body is empty"},
	"MissingSecurityHeader":             {http.StatusBadRequest, "Your request was missing a required header."},
	"NoSuchBucket":                      {http.StatusNotFound, "The specified bucket does not exist."},
	"NoSuchBucketPolicy":                {http.StatusNotFound, "The bucket policy does not exist."},
	"NoSuchCORSConfiguration":           {http.StatusNotFound, "The CORS configuration does not exist"},
	"NoSuchKey":                         {http.StatusNotFound, "The specified key does not exist."},
	"NoSuchLifecycleConfiguration":      {http.StatusNotFound, "The lifecycle configuration does not exist"},
	"NoSuchTagSet":                      {http.StatusNotFound, "The TagSet does not exist."},
	"NoSuchUpload":                      {http.StatusNotFound, "The specified multipart upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed."},
	"NoSuchVersion":                     {http.StatusNotFound, "The specified version does not exist."},
	"NotImplemented":                    {http.StatusNotImplemented, "A header you provided implies functionality that is not implemented."},
	"NotModified":                       {http.StatusNotModified, "Not Modified"},
	"OperationAborted":                  {http.StatusConflict, "A conflicting conditional operation is currently in progress against this resource. Please try again."},
	"PreconditionFailed":                {http.StatusPreconditionFailed, "At least one of the pre-conditions you specified did not hold."},
	"RequestTimeTooSkewed":              {http.StatusForbidden, "The difference between the request time and the current time is too large."},
	"RequestTimeout":                    {http.StatusBadRequest, "Your socket connection to the server was not read from or written to within the timeout period."},
	"ServiceUnavailable":                {http.StatusServiceUnavailable, "the service is not available; try again"},
	"SignatureDoesNotMatch":             {http.StatusForbidden, "The request signature we calculated does not match the signature you provided. Check your key and signing method."},
	"SlowDown":                          {http.StatusServiceUnavailable, "Please reduce your request rate."},
	"XAmzContentSHA256Mismatch":         {http.StatusBadRequest, "The provided 'x-amz-content-sha256' header does not match what was computed."},

	"IllegalVersioningConfigurationException": {http.StatusBadRequest, "The Versioning element must be specified"},
	"NoSuchObjectLockConfiguration":           {http.StatusNotFound, "The specified object does not have a ObjectLock configuration."},
	"ObjectLockConfigurationNotFoundError":    {http.StatusNotFound, "Object Lock configuration does not exist for this bucket."},
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
	e := NewError("NotImplemented", "")
	e.Extra = []Element{{"AdditionalMessage", what + " is not implemented"}}
	return e
}

// notImplementedHeader is 501 for a header, named as S3 names it.
func notImplementedHeader(name string) *Error {
	e := NotImplemented("the header " + name)
	e.Extra = append([]Element{{"Header", name}}, e.Extra...)
	return e
}

// notUnderstood is 501 for a part of the request that S3 itself does not know,
// or would ignore. It has no words for it.
func notUnderstood(what string) *Error { return NewError("NotImplemented", what+" is not implemented") }

// NoSuchUpload is 404, whatever is wrong with the upload id.
func NoSuchUpload(id string) *Error {
	e := NewError("NoSuchUpload", "")
	if len(id) <= maxUploadID {
		e.Extra = []Element{{"UploadId", id}}
	}
	return e
}

// NoSuchVersion is 404, for who may list the bucket at the key.
func NoSuchVersion(key, version string) *Error {
	e := NewError("NoSuchVersion", "")
	e.Extra = []Element{{"Key", key}, {"VersionId", version}}
	return e
}

// InvalidPart is 400: the part of that number is not there, or has another
// entity tag.
func InvalidPart(uploadID string, number int, etag string) *Error {
	e := NewError("InvalidPart", "")
	e.Extra = []Element{{"UploadId", uploadID}, {"PartNumber", strconv.Itoa(number)}, {"ETag", etag}}
	return e
}

// EntityTooSmall is 400: a part that is not the last has size bytes, and needs
// least.
func EntityTooSmall(number int, size, least int64, etag string) *Error {
	e := NewError("EntityTooSmall", "")
	e.Extra = []Element{
		{"ProposedSize", strconv.FormatInt(size, 10)},
		{"MinSizeAllowed", strconv.FormatInt(least, 10)},
		{"PartNumber", strconv.Itoa(number)},
		{"ETag", etag},
	}
	return e
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
	e := NewError("MetadataTooLarge", "")
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
