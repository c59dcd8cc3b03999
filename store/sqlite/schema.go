package sqlite

// applicationID marks a file as ours: "BRIG".
const applicationID = 0x42524947

// migrations[n] brings a file from schema version n to n+1. They are never
// changed, only added to.
var migrations = []string{schema1, schema2}

// In builds is what builds are found by, in narrow rows that are quick to go
// through; the rest of a build is a JSON document in build_docs. What may be
// large (payload, scripts) is in build_blobs, whose id is 8 times the build's
// seq plus its kind, and which is deleted with the build by hand. build_texts
// has what BuildFilter.Text looks at, of 32 builds with neighbouring seqs per
// row, which is many times quicker to go through than a row for each; top is
// not below the highest of their IDs. Times are nanoseconds since 1970. open
// is 1 until the build has ended; owner and lease are kept here only, not in
// the document. not_before is 0 unless the build is pending. The indexes of
// the queue, builds_open, builds_first and builds_lane, hold open builds only,
// so that they stay small however many have ended.
const schema1 = `
CREATE TABLE projects (
	id   TEXT PRIMARY KEY,
	name TEXT NOT NULL UNIQUE,
	doc  BLOB NOT NULL
) STRICT;

CREATE TABLE builds (
	seq        INTEGER PRIMARY KEY,
	id         TEXT NOT NULL UNIQUE,
	project    TEXT NOT NULL,
	state      TEXT NOT NULL,
	type       TEXT NOT NULL,
	key        TEXT,
	created    INTEGER NOT NULL,
	open       INTEGER NOT NULL,
	owner      TEXT NOT NULL,
	lease      INTEGER NOT NULL,
	priority   INTEGER NOT NULL,
	lane       TEXT NOT NULL,
	not_before INTEGER NOT NULL
) STRICT;
CREATE INDEX builds_project ON builds (project, id);
CREATE INDEX builds_project_state ON builds (project, state, id);
CREATE INDEX builds_state ON builds (state, id);
CREATE INDEX builds_type ON builds (type, id);
CREATE INDEX builds_created ON builds (created);
CREATE INDEX builds_open ON builds (id, lease, not_before) WHERE open = 1;
CREATE INDEX builds_first ON builds (priority DESC, id) WHERE open = 1;
CREATE INDEX builds_lane ON builds (project, lane, priority DESC, id) WHERE open = 1;
CREATE UNIQUE INDEX builds_key ON builds (project, key) WHERE key IS NOT NULL;

CREATE TABLE build_docs (
	build INTEGER PRIMARY KEY REFERENCES builds (seq) ON DELETE CASCADE,
	doc   BLOB NOT NULL
) STRICT;

CREATE TABLE build_texts (
	block INTEGER PRIMARY KEY,
	top   TEXT NOT NULL,
	data  BLOB NOT NULL
) STRICT;
CREATE INDEX build_texts_top ON build_texts (top);

CREATE TABLE build_blobs (
	id   INTEGER PRIMARY KEY,
	data BLOB NOT NULL
) STRICT;

CREATE TABLE jobs (
	seq     INTEGER PRIMARY KEY,
	id      TEXT NOT NULL UNIQUE,
	build   INTEGER NOT NULL REFERENCES builds (seq) ON DELETE CASCADE,
	created INTEGER NOT NULL,
	doc     BLOB NOT NULL
) STRICT;
CREATE INDEX jobs_build ON jobs (build, created, seq);

CREATE TABLE logs (
	seq   INTEGER PRIMARY KEY,
	build INTEGER NOT NULL REFERENCES builds (seq) ON DELETE CASCADE,
	job   TEXT NOT NULL,
	first INTEGER NOT NULL,
	last  INTEGER NOT NULL,
	count INTEGER NOT NULL,
	data  BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX logs_last ON logs (build, job, last);

CREATE TABLE records (
	seq  INTEGER PRIMARY KEY,
	kind TEXT NOT NULL,
	key  BLOB NOT NULL,
	data BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX records_key ON records (kind, key);
`

// In departed is what is kept of a deleted build whose event had a key.
const schema2 = `
CREATE TABLE departed (
	project TEXT NOT NULL,
	key     TEXT NOT NULL,
	id      TEXT NOT NULL,
	state   TEXT NOT NULL,
	created INTEGER NOT NULL,
	PRIMARY KEY (project, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX departed_created ON departed (created);
`
