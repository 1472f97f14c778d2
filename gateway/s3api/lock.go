// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"io"
	"net/http"
	"time"
)

// Lock keeps a version of an object (S3.md, "Object Lock"). The zero value
// does not.
type Lock struct {
	Mode  string    // GOVERNANCE, COMPLIANCE, or "" for no retention
	Until time.Time // with Mode; UTC, whole seconds
	Hold  string    // ON, OFF, or "" where nothing was said
}

// The headers of a lock.
const (
	lockMode  = "x-amz-object-lock-mode"
	lockUntil = "x-amz-object-lock-retain-until-date"
	lockHold  = "x-amz-object-lock-legal-hold"
)

// lockHeaders are what a write reads of a lock.
var lockHeaders = []string{lockMode, lockUntil, lockHold}

// lock reads the lock that a write asks for.
func (r *request) lock() (Lock, *Error) {
	var l Lock
	if r.header.has(lockMode) != r.header.has(lockUntil) {
		return l, InvalidArgument(lockMode, r.header.get(lockMode), "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied.")
	}
	if r.header.has(lockMode) {
		var err *Error
		if l, err = retention(r.header.get(lockMode), r.header.get(lockUntil)); err != nil {
			return Lock{}, err
		}
	}
	if r.header.has(lockHold) {
		if l.Hold = r.header.get(lockHold); l.Hold != "ON" && l.Hold != "OFF" {
			return Lock{}, InvalidArgument(lockHold, l.Hold, "Legal Hold must be either of 'ON' or 'OFF'")
		}
	}
	return l, nil
}

// retention reads one. A part of a second is rounded up: it must never end
// before its date.
func retention(mode, until string) (Lock, *Error) {
	if mode != "GOVERNANCE" && mode != "COMPLIANCE" {
		return Lock{}, InvalidArgument(lockMode, mode, "Unknown wormMode directive.")
	}
	t, err := time.Parse(time.RFC3339, until)
	if err != nil || t.UTC().Year() > 9998 {
		return Lock{}, InvalidArgument(lockUntil, until, "The retain until date must be provided in ISO 8601 format")
	}
	return Lock{Mode: mode, Until: t.Add(time.Second - 1).Truncate(time.Second).UTC()}, nil
}

// Check refuses a retention that would be over before it begins.
func (l Lock) Check(now time.Time) error {
	if l.Mode == "" || now.Before(l.Until) {
		return nil
	}
	return InvalidArgument(lockUntil, formatUntil(l.Until), "The retain until date must be in the future!")
}

// formatUntil writes a date as S3 does.
func formatUntil(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// SetLock answers what keeps an object; the zero value sets nothing.
func SetLock(h http.Header, l Lock) {
	if l.Mode != "" {
		h.Set(lockMode, l.Mode)
		h.Set(lockUntil, formatUntil(l.Until))
	}
	if l.Hold != "" {
		h.Set(lockHold, l.Hold)
	}
}

// GetObjectLockConfiguration asks what a bucket locks.
type GetObjectLockConfiguration struct{ Bucket string }

// GetObjectRetention asks until when an object is kept.
type GetObjectRetention struct{ Bucket, Key, VersionID string }

// GetObjectLegalHold asks whether an object is held.
type GetObjectLegalHold struct{ Bucket, Key, VersionID string }

// PutObjectRetention keeps an object. What for is read through Lock.
type PutObjectRetention struct {
	Bucket, Key, VersionID string

	body xmlBody
}

func parseGetObjectLockConfiguration(r *request) (Op, *Error) {
	return &GetObjectLockConfiguration{Bucket: r.target.Bucket}, nil
}

func parseGetObjectRetention(r *request) (Op, *Error) {
	version, err := r.versionID()
	if err != nil {
		return nil, err
	}
	return &GetObjectRetention{Bucket: r.target.Bucket, Key: r.target.Key, VersionID: version}, nil
}

func parseGetObjectLegalHold(r *request) (Op, *Error) {
	version, err := r.versionID()
	if err != nil {
		return nil, err
	}
	return &GetObjectLegalHold{Bucket: r.target.Bucket, Key: r.target.Key, VersionID: version}, nil
}

func parsePutObjectRetention(r *request) (Op, *Error) {
	op := &PutObjectRetention{Bucket: r.target.Bucket, Key: r.target.Key}
	var err *Error
	if op.VersionID, err = r.versionID(); err != nil {
		return nil, err
	}
	if op.body, err = r.readXMLBody(maxConfig, r.payloadChecksum); err != nil {
		return nil, err
	}
	return op, nil
}

// Lock reads the retention. One that is empty would take away what there is,
// and is none. The error is an *Error.
func (o *PutObjectRetention) Lock(body io.Reader) (Lock, error) {
	var mode, until *string
	err := o.body.decode(body, "Retention", func(x *xmlReader, name string) error {
		switch name {
		case "Mode":
			return x.once(&mode)
		case "RetainUntilDate":
			return x.once(&until)
		}
		return malformedXML()
	})
	switch {
	case err != nil:
		return Lock{}, err
	case mode == nil || until == nil:
		return Lock{}, malformedXML()
	}
	l, bad := retention(*mode, *until)
	if bad != nil {
		return Lock{}, malformedXML().Cause(bad)
	}
	return l, nil
}

// Action implements Op.
func (*GetObjectLockConfiguration) Action() string { return "GetObjectLockConfiguration" }

// Action implements Op.
func (*GetObjectRetention) Action() string { return "GetObjectRetention" }

// Action implements Op.
func (*GetObjectLegalHold) Action() string { return "GetObjectLegalHold" }

// Action implements Op.
func (*PutObjectRetention) Action() string { return "PutObjectRetention" }

// Resource implements Op.
func (o *GetObjectLockConfiguration) Resource() Resource { return Resource{Bucket: o.Bucket} }

// Resource implements Op.
func (o *GetObjectRetention) Resource() Resource { return Resource{Bucket: o.Bucket, Key: o.Key} }

// Resource implements Op.
func (o *GetObjectLegalHold) Resource() Resource { return Resource{Bucket: o.Bucket, Key: o.Key} }

// Resource implements Op.
func (o *PutObjectRetention) Resource() Resource { return Resource{Bucket: o.Bucket, Key: o.Key} }

func (*GetObjectLockConfiguration) sealed() {}
func (*GetObjectRetention) sealed()         {}
func (*GetObjectLegalHold) sealed()         {}
func (*PutObjectRetention) sealed()         {}
