// SPDX-License-Identifier: Apache-2.0

package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Generation returns the last generation of kek's keystore that was seen, 0 if
// none was.
func (db *DB) Generation(ctx context.Context, kek string) (uint64, error) {
	all, err := list(ctx, db, "reading the keystore generation of "+kek, scanNumber,
		"SELECT generation FROM keystore_generations WHERE kek = $1", kek)
	if err != nil || len(all) == 0 {
		return 0, err
	}
	return all[0], nil
}

// SetGeneration notes a generation. The same one again is no error; a lower one
// is ErrStale and changes nothing: the number exists to notice an old keystore
// that was put back.
func (db *DB) SetGeneration(ctx context.Context, kek string, generation uint64) error {
	return db.change(ctx, "noting the keystore generation of "+kek, pointGeneration, func(ctx context.Context, tx *sql.Tx) error {
		var old uint64
		err := tx.QueryRowContext(ctx, "SELECT generation FROM keystore_generations WHERE kek = $1", kek).Scan(&old)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if generation < old {
			return fmt.Errorf("generation %d: %w (%d)", generation, ErrStale, old)
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO keystore_generations (kek, generation) VALUES ($1, $2)
			ON CONFLICT (kek) DO UPDATE SET generation = excluded.generation`, kek, int64(generation))
		return err
	})
}
