// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"fmt"
	"log/slog"
)

// Secret is a token or a secret key. It shows itself to nobody: printed,
// logged or marshalled it is the word [secret]. string(s) is the value.
type Secret string

const hidden = "[secret]"

// Format implements fmt.Formatter: whatever the verb, the value is not shown.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(hidden)) }

// LogValue implements slog.LogValuer.
func (Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText implements encoding.TextMarshaler, for JSON and XML: a Secret
// that is meant to be sent is converted to a string where that is done.
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// Credentials are what a client signs with.
type Credentials struct {
	AccessKey string
	Secret    Secret
	Token     Secret // the session token, "" for none
}
