// SPDX-License-Identifier: Apache-2.0

package state

import (
	"bytes"
	"context"
	"io/fs"
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

// translated is a file system of migrations in an engine's own words.
type translated struct {
	fs.FS
	words *strings.Replacer
}

// Open returns a file of the same name with the words replaced; a folder stays
// as it is.
func (t translated) Open(name string) (fs.File, error) {
	f, err := t.FS.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil || info.IsDir() {
		return f, err
	}
	defer func() { _ = f.Close() }() // read side
	text, err := fs.ReadFile(t.FS, name)
	if err != nil {
		return nil, err
	}
	return &memoryFile{Reader: bytes.NewReader([]byte(t.words.Replace(string(text)))), info: info}, nil
}

// memoryFile is an open file whose bytes are in memory.
type memoryFile struct {
	*bytes.Reader
	info fs.FileInfo
}

// Stat is that of the original: nobody asks for its size.
func (f *memoryFile) Stat() (fs.FileInfo, error) { return f.info, nil }

// Close does nothing.
func (f *memoryFile) Close() error { return nil }
