// SPDX-License-Identifier: Apache-2.0

package s3api

import "io"

// PutBucketVersioning says whether a bucket shall keep versions. What it says is
// read through Status.
type PutBucketVersioning struct {
	Bucket string

	body xmlBody
}

func parsePutBucketVersioning(r *request) (Op, *Error) {
	op := &PutBucketVersioning{Bucket: r.target.Bucket}
	var err *Error
	op.body, err = r.readXMLBody(maxConfig, r.payloadChecksum)
	if err != nil {
		return nil, err
	}
	return op, nil
}

// Status reads what the bucket shall do: "Enabled" or "Suspended". The error is
// an *Error.
func (o *PutBucketVersioning) Status(body io.Reader) (string, error) {
	var status, mfa *string
	err := o.body.decode(body, "VersioningConfiguration", func(x *xmlReader, name string) error {
		switch name {
		case "Status":
			return x.once(&status)
		case "MfaDelete", "MFADelete":
			return x.once(&mfa)
		}
		return notUnderstood("the element " + name + " of PutBucketVersioning")
	})
	switch {
	case err != nil:
		return "", err
	case status == nil || *status != "Enabled" && *status != "Suspended":
		return "", NewError("IllegalVersioningConfigurationException", "")
	case mfa != nil && *mfa != "Disabled":
		return "", NotImplemented("MfaDelete")
	}
	return *status, nil
}

// Action implements Op.
func (*PutBucketVersioning) Action() string { return "PutBucketVersioning" }

// Resource implements Op.
func (o *PutBucketVersioning) Resource() Resource { return Resource{Bucket: o.Bucket} }

func (*PutBucketVersioning) sealed() {}
