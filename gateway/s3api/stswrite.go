// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"encoding/xml"
	"net/http"
	"strconv"
	"time"
)

// STSCodes is the closed table of the codes of the token service.
var STSCodes = map[string]struct {
	Status  int
	Message string
}{
	"AccessDenied":               {http.StatusForbidden, "access denied"},
	"ExpiredToken":               {http.StatusForbidden, "the session token has expired"},
	"ExpiredTokenException":      {http.StatusBadRequest, "the web identity token has expired"},
	"IDPCommunicationError":      {http.StatusBadRequest, "the keys of the token's issuer cannot be had; try again"},
	"IDPRejectedClaim":           {http.StatusForbidden, "the web identity token does not give what is asked for"},
	"IncompleteSignature":        {http.StatusBadRequest, "the signature of the request cannot be read"},
	"InternalFailure":            {http.StatusInternalServerError, "an internal error occurred; try again"},
	"InvalidAction":              {http.StatusBadRequest, "the action is not served"},
	"InvalidClientTokenId":       {http.StatusForbidden, "the access key or the session token is not one of this gateway"},
	"InvalidIdentityToken":       {http.StatusBadRequest, "the web identity token is not valid here"},
	"MalformedPolicyDocument":    {http.StatusBadRequest, "the policy of the session cannot be read"},
	"MissingAction":              {http.StatusBadRequest, "the parameter Action is missing"},
	"MissingAuthenticationToken": {http.StatusForbidden, "the call must be signed, or come with a client certificate"},
	"MissingParameter":           {http.StatusBadRequest, "a parameter is missing"},
	"PackedPolicyTooLarge":       {http.StatusBadRequest, "the policy of the session is too large"},
	"ServiceUnavailable":         {http.StatusServiceUnavailable, "the service is not available; try again"},
	"SignatureDoesNotMatch":      {http.StatusForbidden, "the signature of the request does not match"},
	"Throttling":                 {http.StatusBadRequest, "reduce your request rate"},
	"ValidationError":            {http.StatusBadRequest, "a parameter of the call is not valid"},
}

// NewSTSError makes an error of a code of STSCodes; message "" takes the
// table's. It panics on a code that is not in the table.
func NewSTSError(code, message string) *Error {
	row, ok := STSCodes[code]
	if !ok {
		panic("s3api: internal error: no STS error code " + strconv.Quote(code))
	}
	if message == "" {
		message = row.Message
	}
	return &Error{Code: code, Status: row.Status, Message: message}
}

// Session is the answer to both AssumeRole calls.
type Session struct {
	Credentials Credentials
	Expires     time.Time
	ARN, ID     string // of the role as it was assumed
	Subject     string // AssumeRoleWithWebIdentity: whom the token speaks of
	Audience    string // AssumeRoleWithWebIdentity: for whom the token was made
	Provider    string // AssumeRoleWithWebIdentity: who made it
}

// CallerIdentity is the answer to GetCallerIdentity.
type CallerIdentity struct{ ARN, UserID, Account string }

const stsNamespace = "https://sts.amazonaws.com/doc/2011-06-15/"

type credentialsXML struct {
	AccessKey  string `xml:"AccessKeyId"`
	Secret     string `xml:"SecretAccessKey"`
	Token      string `xml:"SessionToken"`
	Expiration string
}

type assumedXML struct {
	ARN string `xml:"Arn"`
	ID  string `xml:"AssumedRoleId"`
}

type sessionXML struct {
	XMLName     xml.Name
	Subject     string         `xml:"SubjectFromWebIdentityToken,omitempty"`
	Audience    string         `xml:",omitempty"`
	Assumed     assumedXML     `xml:"AssumedRoleUser"`
	Credentials credentialsXML `xml:"Credentials"`
	Provider    string         `xml:",omitempty"`
}

type callerXML struct {
	XMLName xml.Name
	ARN     string `xml:"Arn"`
	UserID  string `xml:"UserId"`
	Account string
}

// stsXML names the namespace in an attribute of its own: encoding/xml would
// take the elements inside out of it.
type stsXML struct {
	XMLName   xml.Name
	Namespace string `xml:"xmlns,attr"`
	Result    any
	RequestID string `xml:"ResponseMetadata>RequestId"`
}

type stsErrorXML struct {
	XMLName   xml.Name `xml:"https://sts.amazonaws.com/doc/2011-06-15/ ErrorResponse"`
	Type      string   `xml:"Error>Type"`
	Code      string   `xml:"Error>Code"`
	Message   string   `xml:"Error>Message"`
	RequestID string   `xml:"RequestId"`
}

// WriteSession answers one of the AssumeRole calls. It is the one place where
// credentials leave: the answer must never be cached.
func WriteSession(w http.ResponseWriter, action string, s Session, requestID string) {
	writeSTS(w, action, requestID, sessionXML{
		XMLName: xml.Name{Local: action + "Result"}, Subject: s.Subject, Audience: s.Audience, Provider: s.Provider,
		Assumed: assumedXML{s.ARN, s.ID},
		Credentials: credentialsXML{
			AccessKey: s.Credentials.AccessKey, Secret: string(s.Credentials.Secret), Token: string(s.Credentials.Token),
			Expiration: s.Expires.UTC().Format(time.RFC3339),
		},
	})
}

// WriteCallerIdentity answers GetCallerIdentity.
func WriteCallerIdentity(w http.ResponseWriter, c CallerIdentity, requestID string) {
	writeSTS(w, GetCallerIdentity, requestID, callerXML{
		XMLName: xml.Name{Local: GetCallerIdentity + "Result"}, ARN: c.ARN, UserID: c.UserID, Account: c.Account,
	})
}

func writeSTS(w http.ResponseWriter, action, requestID string, result any) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	if requestID != "" {
		h.Set("X-Amzn-Requestid", requestID)
	}
	writeXML(w, http.StatusOK, stsXML{
		XMLName: xml.Name{Local: action + "Response"}, Namespace: stsNamespace, Result: result, RequestID: requestID,
	})
}

// stsCodeOf gives the token service's word for a code of S3.
var stsCodeOf = map[string]string{
	"AuthorizationHeaderMalformed":      "IncompleteSignature",
	"AuthorizationQueryParametersError": "IncompleteSignature",
	"InternalError":                     "InternalFailure",
	"InvalidAccessKeyId":                "InvalidClientTokenId",
	"InvalidToken":                      "InvalidClientTokenId",
	"RequestTimeTooSkewed":              "SignatureDoesNotMatch",
	"SlowDown":                          "Throttling",
}

// WriteSTSError renders e as the token service does. An error of S3 is
// answered with the code that AWS STS has for it.
func WriteSTSError(w http.ResponseWriter, e *Error, requestID string) {
	code := e.Code
	if c, ok := stsCodeOf[code]; ok {
		code = c
	}
	row, ok := STSCodes[code]
	if !ok {
		code = "ValidationError"
		if e.Status >= http.StatusInternalServerError {
			code = "InternalFailure"
		}
		row = STSCodes[code]
	}
	kind := "Sender"
	if row.Status >= http.StatusInternalServerError {
		kind = "Receiver"
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	if requestID != "" {
		h.Set("X-Amzn-Requestid", requestID)
	}
	if e.RetryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64((e.RetryAfter+time.Second-1)/time.Second), 10))
	}
	writeXML(w, row.Status, stsErrorXML{Type: kind, Code: code, Message: e.Message, RequestID: requestID})
}
