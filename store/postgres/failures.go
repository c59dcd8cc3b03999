package postgres

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"strings"

	"github.com/brigadecore/brigade/v3"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// PostgreSQL's error codes, see
// https://www.postgresql.org/docs/current/errcodes-appendix.html.
const (
	codeProtocol        = "08P01"
	codeUnique          = "23505"
	codeForeignKey      = "23503"
	codeReadOnly        = "25006"
	codeNoPassword      = "28000"
	codeWrongPassword   = "28P01"
	codeNoDatabase      = "3D000"
	codeNoSchema        = "3F000"
	codeSerialization   = "40001"
	codeDeadlock        = "40P01"
	codeNoPrivilege     = "42501"
	codeDuplicateTable  = "42P07"
	codeDiskFull        = "53100"
	codeTooManyClients  = "53300"
	codeLockTimeout     = "55P03"
	codeStatementEnded  = "57014"
	codeShutDown        = "57P01"
	codeCrashed         = "57P02"
	codeStartingUp      = "57P03"
	codeIdleSession     = "57P05"
	classConnection     = "08"
	unsupportedServer   = "0A000"
	unknownStartupParam = "42704"
)

var errTimeout = errors.New("the database did not answer in time")

func closedError() error {
	return brigade.Errorf(brigade.CodeStore, "the store is closed")
}

func sqlState(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// violates reports whether err is about that constraint of the tables.
func violates(err error, constraint string) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Code == codeUnique && e.ConstraintName == constraint
}

// worthRetrying reports whether the same call may succeed soon, and whether it
// may have been done although it failed.
func worthRetrying(err error) (again, unsure bool) {
	var ours *brigade.Error
	if errors.As(err, &ours) {
		return false, false
	}
	switch code := sqlState(err); {
	case code == codeSerialization, code == codeDeadlock, code == codeTooManyClients, code == codeStartingUp:
		return true, false
	case code == codeProtocol:
		return false, false
	case code == codeShutDown, code == codeCrashed, code == codeIdleSession, strings.HasPrefix(code, classConnection):
		return true, true
	case code != "":
		return false, false
	}
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) || pgconn.SafeToRetry(err) {
		return true, false
	}
	var network net.Error
	lost := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.As(err, &network) || errors.Is(err, errTimeout) || strings.Contains(err.Error(), "conn closed")
	return lost, true
}

// plain is the text of err, which never holds a password: the driver leaves it
// out of what it says about a connection.
func plain(err error) string {
	return strings.Join(strings.Fields(err.Error()), " ")
}

// hints says what to do about a code of the server.
var hints = map[string]string{
	codeProtocol:       "a pooler such as PgBouncer stands before the database: set its ignore_startup_parameters to statement_timeout, lock_timeout, idle_in_transaction_session_timeout",
	codeReadOnly:       "this is a standby that cannot be written to; name the primary, or add target_session_attrs=read-write to the address",
	codeNoPassword:     "check the user and the server's pg_hba.conf",
	codeWrongPassword:  "check the user and the password in the address",
	codeNoDatabase:     "make it: createdb NAME, or name another one in the address",
	codeNoSchema:       "make the schema named in search_path, or name another one",
	codeNoPrivilege:    "the user needs to own the database or its schema: GRANT CREATE, USAGE ON SCHEMA public TO the user",
	codeDuplicateTable: "another program has tables of these names here; name a schema of its own: search_path=brigade",
	codeDiskFull:       "the database's disk is full: make room, or delete old builds",
	codeTooManyClients: "raise the server's max_connections, or lower pool_max_conns in the address",
	codeStatementEnded: "the database is overloaded, or statement_timeout is too short; try again",
	codeLockTimeout:    "somebody holds a lock on the tables; end that session, or try again",
	unsupportedServer:  "PostgreSQL 14 or newer is needed",

	unknownStartupParam: "the server does not know a parameter in the address",
}

// storeError makes an Error with a hint of what the driver said. Errors of the
// context and of ours stay what they are. The cause is kept as text only,
// because the driver's own errors hold the password in their fields.
func storeError(ctx context.Context, where, doing string, err error) error {
	var ours *brigade.Error
	if errors.As(err, &ours) {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	e := brigade.Errorf(brigade.CodeStore, "cannot %s the database %s: %s", doing, where, plain(err))
	if hint := hints[sqlState(err)]; hint != "" {
		return e.WithHint("%s", hint)
	}
	if again, _ := worthRetrying(err); again {
		return e.WithHint("check that PostgreSQL runs there and can be reached from here")
	}
	return e
}

// session is what every connection asks of the server, unless the DSN says
// otherwise: nobody waits for ever, and nobody holds a lock while away.
var session = map[string]string{
	"application_name":                    "brigade",
	"statement_timeout":                   "30s",
	"lock_timeout":                        "10s",
	"idle_in_transaction_session_timeout": "60s",
}

// defaultConns is how many connections a store has at most, unless the DSN says
// otherwise. Fewer make writes wait that could share a flush of the disk.
const defaultConns = 10

const dsnForm = "it looks like postgres://user:password@host:5432/database?sslmode=verify-full, or host=… dbname=… user=… password=…"

// parse reads a DSN and returns the database's name for people, too.
func parse(dsn string) (*pgxpool.Config, string, error) {
	if strings.TrimSpace(dsn) == "" {
		return nil, "", brigade.Errorf(brigade.CodeUsage, "the address of the database is empty").WithHint("%s", dsnForm)
	}
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		// What is wrong may be said only as long as it cannot hold the password.
		e := brigade.Errorf(brigade.CodeUsage, "the address of the database is malformed")
		var file *fs.PathError
		if errors.As(err, &file) {
			e = brigade.Errorf(brigade.CodeUsage, "a file named in the address of the database cannot be read: %w", file)
		}
		return nil, "", e.WithHint("%s", dsnForm)
	}
	for name, value := range session {
		if config.ConnConfig.RuntimeParams[name] == "" {
			config.ConnConfig.RuntimeParams[name] = value
		}
	}
	if !strings.Contains(dsn, "pool_max_conns") {
		config.MaxConns = defaultConns
	}
	c := config.ConnConfig
	return config, c.Database + " of " + c.User + " at " + c.Host, nil
}
