// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"net/http"
	"slices"
	"strings"
)

// request is a request whose path, query and headers were read.
type request struct {
	options Options
	method  string
	target  Resource
	query   query
	header  header
	length  int64   // declared body length, -1 for chunked
	signed  *Signed // of a presigned request, where the signature says who asks
}

// Parse reads the head of a request as net/http's server made it, and gives
// the operation it asks for. It reads no body.
//
// The error is nil or an *Error. With an error the Op is nil, or a *Refused
// that names what was asked for. An operation that is not served is an
// *Unsupported without an error, so that it is recorded like any other.
//
// Identity is no concern of Parse: the form of a signature is checked and then
// forgotten; ReadSignature and Verify are for who wants to know (S3.md,
// "Signatures").
func Parse(r *http.Request, o Options) (Op, error) {
	req, err := read(r, o)
	if err != nil {
		return nil, err
	}
	if req == nil {
		return &Unsupported{Name: writeGetObjectResponse}, nil
	}
	if req.isSTS() {
		return req.parseSTS()
	}
	rt, err := req.route()
	if err != nil {
		return nil, err
	}
	if rt.refused != "" {
		return &Refused{Name: rt.name, Bucket: req.target.Bucket, Key: req.target.Key}, NewError(rt.refused, "")
	}
	if rt.serve == nil {
		return &Unsupported{Name: rt.name, Bucket: req.target.Bucket, Key: req.target.Key}, nil
	}
	op, err := req.parse(rt)
	if err != nil {
		return &Refused{Name: rt.name, Bucket: req.target.Bucket, Key: req.target.Key}, err
	}
	return op, nil
}

// read decodes path, query and headers. It gives nil without an error for the
// one operation whose path names no bucket.
func read(r *http.Request, o Options) (*request, *Error) {
	// RequestURI is the target as it was sent: an absolute-form target, which
	// net/http would follow over Host, does not begin with a slash.
	path, rawQuery, _ := strings.Cut(r.RequestURI, "?")
	named, err := hostBucket(r.Host, o.Domain)
	if err != nil {
		return nil, err
	}
	if named == "" && r.Method == post && path == "/"+writeGetObjectResponse {
		return nil, nil //nolint:nilnil // documented above
	}
	target, err := parsePath(path, named)
	if err != nil {
		return nil, err
	}
	q, err := parseQuery(rawQuery)
	if err != nil {
		return nil, err
	}
	h, err := readHeader(r.Header)
	if err != nil {
		return nil, err
	}
	req := &request{options: o, method: r.Method, target: target, query: q, header: h, length: r.ContentLength}
	return req, req.takePresigned()
}

// route finds the row of the request's operation.
func (r *request) route() (route, *Error) {
	sub, err := r.subResource()
	if err != nil {
		return route{}, err
	}
	known := false
	for _, rt := range routes {
		if rt.level != r.level() || rt.sub != sub {
			continue
		}
		known = true
		if rt.method == r.method && (rt.when == nil || rt.when(r)) {
			return rt, nil
		}
	}
	return route{}, r.unrouted(sub, known)
}

// unrouted says why a request has no operation; known tells that others have
// its sub-resource on this level.
func (r *request) unrouted(sub string, known bool) *Error {
	switch {
	case r.header.has(copySource):
		return onlyCopies(copySource, r.header.get(copySource))
	case r.level() == object && r.method == get && sub == "uploads":
		return InvalidRequest("Key is not expected for the GET method ?uploads subresource")
	case r.level() == object && r.method == get && sub == "versions":
		return InvalidRequest("There is no such thing as the ?versions sub-resource for a key")
	case known:
		e := NewError("MethodNotAllowed", "")
		e.Extra = []Element{{"Method", r.method}, {"ResourceType", r.resourceType(sub)}}
		return e
	}
	return notUnderstood("the sub-resource " + sub + " here")
}

// resourceType is S3's word for what a method is not allowed on.
func (r *request) resourceType(sub string) string {
	if sub == "uploadId" {
		return "UPLOAD"
	}
	return map[level]string{service: "SERVICE", bucket: "BUCKET", object: "OBJECT"}[r.level()]
}

func (r *request) level() level {
	switch {
	case r.target.Bucket == "":
		return service
	case r.target.Key == "":
		return bucket
	}
	return object
}

// subResource gives the one sub-resource that the query names.
func (r *request) subResource() (string, *Error) {
	var found []string
	for k := range r.query {
		if subResources[k] {
			found = append(found, k)
		}
	}
	switch len(found) {
	case 0:
		return "", nil
	case 1:
		return found[0], nil
	}
	slices.Sort(found)
	return "", InvalidRequest("the query parameters exclude each other: " + strings.Join(found, ", "))
}

// parse holds the request against what the operation understands.
func (r *request) parse(rt route) (Op, *Error) {
	if err := r.checkSignature(rt); err != nil {
		return nil, err
	}
	if err := r.query.checkParams(rt); err != nil {
		return nil, err
	}
	if err := r.header.check(rt); err != nil {
		return nil, err
	}
	if err := r.checkConditions(rt); err != nil {
		return nil, err
	}
	if !rt.body {
		if err := r.checkNoBody(); err != nil {
			return nil, err
		}
	}
	return rt.serve(r)
}

// checkConditions refuses a condition that the operation does not read. To
// ignore one would destroy what it was sent to protect; an operation that only
// reads destroys nothing.
func (r *request) checkConditions(rt route) *Error {
	if !rt.changes() {
		return nil
	}
	for _, name := range conditionHeaders {
		if r.header.has(name) && !rt.reads(name) {
			return notImplementedHeader(name)
		}
	}
	return nil
}

// checkNoBody refuses a payload where none belongs: nobody would read it, and
// what follows on the connection would be in doubt.
func (r *request) checkNoBody() *Error {
	if r.length != 0 {
		return InvalidRequest("The request included a body. Requests of this type must not include a non-empty body.")
	}
	if strings.HasPrefix(r.header.get("x-amz-content-sha256"), "STREAMING-") {
		return InvalidRequest(noStreamingHere)
	}
	return nil
}
