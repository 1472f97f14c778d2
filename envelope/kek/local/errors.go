// SPDX-License-Identifier: Apache-2.0

package local

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// Errors that callers branch on; what could not be done and what to do stands
// in the text around them.
var (
	// ErrSecret: the passphrase or key file does not open the keystore, or the
	// keystore is damaged. Which of the two cannot be told.
	ErrSecret = errors.New("does not open it, or the file is damaged")
	// ErrDamaged: the file is no keystore, or one that lost its shape.
	ErrDamaged = errors.New("the file is damaged or no keystore")
	// ErrExposed: others than the owner may read or write a file.
	ErrExposed = errors.New("others may read or write it")
	// ErrOlder: the keystore is older than one that was seen before.
	ErrOlder = errors.New("an older keystore was put back")
	// ErrMissing: the keystore is gone though there was one.
	ErrMissing = errors.New("the keystore is gone")
	// ErrExists: Create found a keystore.
	ErrExists = errors.New("there is a keystore already")
	// ErrWrongKind: a passphrase was given for a keystore that a key file
	// seals, or the other way round.
	ErrWrongKind = errors.New("give what seals it")
)

// withBackup adds to err which backup of the keystore at path is there, as
// far as it has the shape of one.
func withBackup(err error, path string) error {
	backup := path + backupSuffix
	fi, statErr := os.Stat(backup)
	if _, inspectErr := Inspect(backup); statErr != nil || inspectErr != nil {
		return fmt.Errorf("%w; put back a backup of it", err)
	}
	return fmt.Errorf("%w; the last good backup is %s of %s", err, fi.Name(), fi.ModTime().UTC().Format(time.DateOnly))
}
