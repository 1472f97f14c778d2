// SPDX-License-Identifier: Apache-2.0

package state

import (
	"context"
	"database/sql"
)

// querier is a database or a transaction on it.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// scanner is one row of an answer.
type scanner interface{ Scan(dest ...any) error }

// collect returns what scan makes of each row that a query answers.
func collect[T any](ctx context.Context, q querier, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err has what matters
	var list []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, rows.Err()
}

// list is collect outside of a transaction.
func list[T any](ctx context.Context, db *DB, doing string, scan func(scanner) (T, error), query string, args ...any) (all []T, err error) {
	err = db.view(ctx, doing, func(ctx context.Context, q querier) error {
		all, err = collect(ctx, q, scan, query, args...)
		return err
	})
	return all, err
}

func scanText(s scanner) (text string, err error) {
	err = s.Scan(&text)
	return text, err
}

func scanNumber(s scanner) (n uint64, err error) {
	err = s.Scan(&n)
	return n, err
}
