// SPDX-License-Identifier: Apache-2.0

package state

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// Codes of PostgreSQL's appendix "Error codes" that are told apart here; of
// the others the class, their first two digits, decides.
const (
	codeReadOnly      = "25006"
	codeIdleTooLong   = "25P03"
	codeDiskFull      = "53100"
	codeLockTimeout   = "55P03"
	codeCanceled      = "57014"
	classConnection   = "08"
	classConstraint   = "23"
	classRefusedLogin = "28"
	classRollback     = "40" // serialization failure, deadlock: nothing was changed
	classResources    = "53"
	classOperator     = "57"
	classCorrupt      = "XX"
)

func sentinelOfPostgres(err error) error {
	if errors.Is(err, ErrUnavailable) {
		return ErrUnavailable
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return sentinelOfCode(e.Code)
	}
	if _, connecting := errors.AsType[*pgconn.ConnectError](err); connecting {
		if errors.Is(err, context.Canceled) {
			return nil
		}
		return ErrUnavailable
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return nil // the caller's doing
	}
	_, network := errors.AsType[*net.OpError](err)
	for _, lost := range []error{driver.ErrBadConn, sql.ErrConnDone, pgconn.ErrConnClosed, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed} {
		network = network || errors.Is(err, lost)
	}
	if network {
		return ErrUnavailable
	}
	return nil
}

func sentinelOfCode(code string) error {
	switch code {
	case codeReadOnly, codeIdleTooLong: // a standby; a connection that the server gave up
		return ErrUnavailable
	case codeDiskFull:
		return ErrNoSpace
	case codeLockTimeout, codeCanceled:
		return ErrBusy
	}
	switch code[:min(2, len(code))] {
	case classConstraint:
		return ErrConflict
	case classRollback:
		return ErrBusy
	case classConnection, classRefusedLogin, classResources, classOperator:
		return ErrUnavailable
	case classCorrupt:
		return ErrCorrupt
	default:
		return nil
	}
}

// lineError is an error with its text on one line and without what pgx says
// around the reason.
type lineError struct{ error }

func (e lineError) Error() string {
	err := e.error
	if c, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		err = c.Unwrap()
	}
	lines := strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\t' })
	return strings.Join(lines, "; ")
}

func (e lineError) Unwrap() error { return e.error }
