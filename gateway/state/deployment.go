// SPDX-License-Identifier: Apache-2.0

package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Deployment is the identity of this installation. It is bound into every key,
// so it can never change.
type Deployment struct {
	// ID is 16 random bytes in lower-case hex.
	ID string
	// Name is what the configuration calls the deployment.
	Name string
	// Created is when the id was made.
	Created time.Time
}

// Deployment returns the deployment, and false if none was set yet.
func (db *DB) Deployment(ctx context.Context) (Deployment, bool, error) {
	all, err := list(ctx, db, "reading the deployment", scanDeployment, "SELECT id, name, created FROM deployment")
	if err != nil || len(all) == 0 {
		return Deployment{}, false, err
	}
	return all[0], true, nil
}

// SetDeployment stores d once. Storing the same id and name again is no error;
// anything else is ErrConflict.
func (db *DB) SetDeployment(ctx context.Context, d Deployment) error {
	if !isHex(d.ID, 32) {
		return fmt.Errorf("storing the deployment: %q is not a 32 digit lower-case hex id", d.ID)
	}
	return db.change(ctx, "storing the deployment", pointDeployment, func(ctx context.Context, tx *sql.Tx) error {
		old, err := scanDeployment(tx.QueryRowContext(ctx, "SELECT id, name, created FROM deployment"))
		if errors.Is(err, sql.ErrNoRows) {
			_, err = tx.ExecContext(ctx, "INSERT INTO deployment (one, id, name, created) VALUES (1, $1, $2, $3)", d.ID, d.Name, micros(db.cfg.Now()))
			return err
		}
		if err == nil && (old.ID != d.ID || old.Name != d.Name) {
			return fmt.Errorf("%w: deployment %s %q", ErrConflict, old.ID, old.Name)
		}
		return err
	})
}

func scanDeployment(row scanner) (Deployment, error) {
	var d Deployment
	var created int64
	err := row.Scan(&d.ID, &d.Name, &created)
	d.Created = fromMicros(created)
	return d, err
}

// isHex reports whether s is n digits of lower-case hex.
func isHex(s string, n int) bool {
	if len(s) != n {
		return false
	}
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
