package postgres

// migrations[n] brings a database from schema version n to n+1. They are never
// changed, only added to.
var migrations = []string{schema1, schema2}

// Everything that may hold any bytes is bytea, so that neither the encoding nor
// the collation of the database matters, and keys sort by bytes.
//
// brigade_builds has what builds are found by, in narrow rows; the rest of a
// build is a JSON document and what may be large, in brigade_build_docs: large
// values are kept out of line there and are not written again by an update
// that leaves them alone. search is what BuildFilter.Text looks at, in lower
// case. Times are nanoseconds since 1970. open is true until the build has
// ended; owner, lease and attempt are kept here only, not in the document.
// not_before is 0 unless the build is pending. rev is another number after
// every write, by which a writer whose connection broke finds out whether its
// write was done. What changes while a build runs is in no index, so that such
// an update touches one page; the indexes of the queue hold open builds only.
//
// brigade_log_heads has the last line of each log. Whoever adds lines changes
// it first, and so the same log grows at one place at a time.
const schema1 = `
CREATE TABLE brigade_projects (
	id   bytea PRIMARY KEY,
	name bytea NOT NULL CONSTRAINT brigade_projects_name UNIQUE,
	doc  bytea NOT NULL
);

CREATE TABLE brigade_builds (
	seq        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	id         bytea NOT NULL CONSTRAINT brigade_builds_id UNIQUE,
	project    bytea NOT NULL,
	state      bytea NOT NULL,
	type       bytea NOT NULL,
	event_key  bytea,
	created    bigint NOT NULL,
	open       boolean NOT NULL,
	owner      bytea NOT NULL,
	lease      bigint NOT NULL,
	attempt    bigint NOT NULL,
	priority   bigint NOT NULL,
	lane       bytea NOT NULL,
	not_before bigint NOT NULL,
	rev        bigint NOT NULL,
	search     bytea NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX brigade_builds_project ON brigade_builds (project, id);
CREATE INDEX brigade_builds_project_state ON brigade_builds (project, state, id);
CREATE INDEX brigade_builds_state ON brigade_builds (state, id);
CREATE INDEX brigade_builds_type ON brigade_builds (type, id);
CREATE INDEX brigade_builds_created ON brigade_builds (created);
CREATE INDEX brigade_builds_open ON brigade_builds (id) WHERE open;
CREATE INDEX brigade_builds_first ON brigade_builds (priority DESC, id) WHERE open;
CREATE INDEX brigade_builds_lane ON brigade_builds (project, lane, priority DESC, id) WHERE open;
CREATE UNIQUE INDEX brigade_builds_key ON brigade_builds (project, event_key) WHERE event_key IS NOT NULL;

CREATE TABLE brigade_build_docs (
	build        bigint PRIMARY KEY REFERENCES brigade_builds (seq) ON DELETE CASCADE,
	doc          bytea NOT NULL,
	payload      bytea NOT NULL,
	event_script bytea NOT NULL,
	config       bytea NOT NULL,
	script       bytea NOT NULL
) WITH (fillfactor = 80);

CREATE TABLE brigade_jobs (
	seq     bigint GENERATED ALWAYS AS IDENTITY,
	id      bytea PRIMARY KEY,
	build   bigint NOT NULL REFERENCES brigade_builds (seq) ON DELETE CASCADE,
	created bigint NOT NULL,
	doc     bytea NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX brigade_jobs_build ON brigade_jobs (build);

CREATE TABLE brigade_log_heads (
	build bigint NOT NULL REFERENCES brigade_builds (seq) ON DELETE CASCADE,
	job   bytea NOT NULL,
	last  bigint NOT NULL,
	PRIMARY KEY (build, job)
) WITH (fillfactor = 50);

CREATE TABLE brigade_logs (
	build bigint NOT NULL REFERENCES brigade_builds (seq) ON DELETE CASCADE,
	job   bytea NOT NULL,
	last  bigint NOT NULL,
	first bigint NOT NULL,
	count integer NOT NULL,
	data  bytea NOT NULL,
	PRIMARY KEY (build, job, last)
);
ALTER TABLE brigade_logs ALTER COLUMN data SET STORAGE EXTERNAL;

CREATE TABLE brigade_records (
	kind bytea NOT NULL,
	key  bytea NOT NULL,
	data bytea NOT NULL,
	PRIMARY KEY (kind, key)
);
`

// brigade_departed has what is kept of a deleted build whose event had a key.
const schema2 = `
CREATE TABLE brigade_departed (
	project   bytea NOT NULL,
	event_key bytea NOT NULL,
	id        bytea NOT NULL,
	state     bytea NOT NULL,
	created   bigint NOT NULL,
	PRIMARY KEY (project, event_key)
);
CREATE INDEX brigade_departed_created ON brigade_departed (created);
`
