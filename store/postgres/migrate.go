package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/brigadecore/brigade/v3"
	"github.com/jackc/pgx/v5"
)

// oldest is the oldest server this works with, as server_version_num has it.
const oldest = 140000

// migrationLock is the advisory lock under which tables are made: "BRIG".
const migrationLock = 0x42524947

// migrate makes the tables of an empty database, or brings those of an older
// version up to date, all in one transaction. Several processes may do so at
// once: they take turns.
func (s *Store) migrate(ctx context.Context) error {
	return s.do(ctx, "set up", func(ctx context.Context, _ try) error {
		version, err := s.version(ctx)
		if err != nil || version == len(migrations) {
			return err
		}
		return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			// The lock goes by the schema, too: several may be in one database.
			if _, err := tx.Exec(ctx, "SELECT set_config('statement_timeout', '0', true), set_config('lock_timeout', '0', true)"); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1, hashtext(coalesce(current_schema(), '')))", migrationLock); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, "CREATE TABLE IF NOT EXISTS brigade_schema (version integer NOT NULL)"); err != nil {
				return err
			}
			version, err := versionOf(tx.QueryRow(ctx, "SELECT version FROM brigade_schema"))
			if err != nil {
				return err
			}
			return steps(ctx, tx, version)
		})
	})
}

// version is the schema the database has; 0 when it has none.
func (s *Store) version(ctx context.Context) (int, error) {
	var server int
	var there bool
	err := s.pool.QueryRow(ctx, "SELECT current_setting('server_version_num')::int, to_regclass('brigade_schema') IS NOT NULL").Scan(&server, &there)
	if err != nil {
		return 0, err
	}
	if server < oldest {
		return 0, brigade.Errorf(brigade.CodeStore, "the database %s is a PostgreSQL %d, which is too old", s.where, server/10000).
			WithHint("%s", hints[unsupportedServer])
	}
	if !there {
		return 0, nil
	}
	version, err := versionOf(s.pool.QueryRow(ctx, "SELECT version FROM brigade_schema"))
	if err == nil && version > len(migrations) {
		return 0, brigade.Errorf(brigade.CodeStore, "the database %s was written by a newer version of this program (schema %d, this one knows %d)", s.where, version, len(migrations)).
			WithHint("install the newer version again, or name another database or schema")
	}
	return version, err
}

func versionOf(row pgx.Row) (int, error) {
	version := 0
	err := row.Scan(&version)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil
	}
	return version, err
}

// steps makes the migrations that are missing.
func steps(ctx context.Context, tx pgx.Tx, from int) error {
	if from >= len(migrations) {
		return nil // another process was faster
	}
	for n, migration := range migrations[from:] {
		if _, err := tx.Exec(ctx, migration, pgx.QueryExecModeSimpleProtocol); err != nil {
			return fmt.Errorf("migrate to schema %d: %w", from+n+1, err)
		}
	}
	if _, err := tx.Exec(ctx, "DELETE FROM brigade_schema"); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, "INSERT INTO brigade_schema (version) VALUES ($1)", len(migrations))
	return err
}
