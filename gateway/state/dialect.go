// SPDX-License-Identifier: Apache-2.0

package state

import (
	"context"
	"strings"

	"github.com/pressly/goose/v3"
)

// dialect is in what the two engines differ. All other SQL is the same text
// for both.
type dialect struct {
	goose goose.Dialect
	// schema turns a migration, written for SQLite, into this engine's.
	schema *strings.Replacer
	// tables lists the tables that are not the engine's or goose's own.
	tables string
	// remote: a network lies between, and others change the same rows.
	remote bool
}

var sqlite = &dialect{
	goose:  goose.DialectSQLite3,
	schema: strings.NewReplacer(),
	tables: "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'goose%' AND name NOT LIKE 'sqlite%'",
}

// Texts are compared and ordered by their bytes on both engines: what order a
// PostgreSQL database has by default depends on who made it.
var postgres = &dialect{
	goose: goose.DialectPostgres,
	schema: strings.NewReplacer(
		"PRAGMA application_id = 0x53475354;", "",
		") STRICT;", ");",
		" INTEGER ", " BIGINT ",
		" INTEGER,", " BIGINT,",
		" BLOB ", " BYTEA ",
		" BLOB,", " BYTEA,",
		" TEXT ", ` TEXT COLLATE "C" `,
		" TEXT,", ` TEXT COLLATE "C",`,
	),
	tables: "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND tablename NOT LIKE 'goose%'",
	remote: true,
}

// tablesIn names the tables of a database.
func (d *dialect) tablesIn(ctx context.Context, q querier) ([]string, error) {
	return collect(ctx, q, scanText, d.tables)
}
