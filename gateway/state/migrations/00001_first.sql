-- The first four bytes of every Sealgate state database's application id spell "SGST":
-- a SQLite file of another program is told apart by it.
PRAGMA application_id = 0x53475354;

-- One row: the oldest reader that may write here. A migration that an older binary would
-- misunderstand raises it; see package state, "Old binaries and new databases".
CREATE TABLE reader (
	one        INTEGER PRIMARY KEY CHECK (one = 1),
	min_reader INTEGER NOT NULL
) STRICT;
INSERT INTO reader VALUES (1, 1);

-- One row, made at the first start and never changed: it is bound into every key.
CREATE TABLE deployment (
	one     INTEGER PRIMARY KEY CHECK (one = 1),
	id      TEXT NOT NULL CHECK (length(id) = 32),
	name    TEXT NOT NULL,
	created INTEGER NOT NULL              -- here and below: microseconds since 1970, UTC
) STRICT;

-- One row: grows by one with each change of keyring_versions, so that a reader notices.
CREATE TABLE epoch (
	one   INTEGER PRIMARY KEY CHECK (one = 1),
	value INTEGER NOT NULL
) STRICT;
INSERT INTO epoch VALUES (1, 0);

-- One row a keyring version, with the one record that is right for it. A record found in a
-- bucket is known only if its digest is here.
CREATE TABLE keyring_versions (
	keyring     TEXT NOT NULL CHECK (length(keyring) = 32),
	version     INTEGER NOT NULL CHECK (version BETWEEN 1 AND 4294967295),
	scope       TEXT NOT NULL,
	bucket      TEXT NOT NULL,            -- bucket and prefix as bound into the record
	prefix      TEXT NOT NULL,
	state       TEXT NOT NULL CHECK (state IN ('active', 'decrypt-only', 'retired', 'destroyed')),
	kek         TEXT NOT NULL,
	kek_version TEXT NOT NULL,
	record      BLOB NOT NULL,
	digest      TEXT NOT NULL UNIQUE CHECK (length(digest) = 64),
	home        TEXT NOT NULL,            -- logical bucket whose store holds the record object
	path        TEXT NOT NULL,            -- key of the record object there
	created     INTEGER NOT NULL,
	activated   INTEGER,
	PRIMARY KEY (keyring, version),
	UNIQUE (scope, version),              -- a scope has one keyring, for ever
	UNIQUE (home, path)
) STRICT;

-- Two active versions of one keyring would let two replicas seal under different keys.
CREATE UNIQUE INDEX one_active ON keyring_versions (keyring) WHERE state = 'active';

-- Record objects in a bucket that no row of keyring_versions names: one that is about to be
-- written (candidate) or one that was replaced (superseded). Only what is listed here is ever
-- deleted from a bucket; a listing of the store decides nothing.
CREATE TABLE leftovers (
	home    TEXT NOT NULL,
	path    TEXT NOT NULL,
	kind    TEXT NOT NULL CHECK (kind IN ('candidate', 'superseded')),
	keyring TEXT NOT NULL,
	version INTEGER NOT NULL,
	digest  TEXT NOT NULL,
	since   INTEGER NOT NULL,
	PRIMARY KEY (home, path)
) STRICT;

-- The last generation of each local keystore that was seen; an older file is refused.
CREATE TABLE keystore_generations (
	kek        TEXT PRIMARY KEY,
	generation INTEGER NOT NULL CHECK (generation > 0)
) STRICT;

-- The replica that is running, or was when its machine stopped.
CREATE TABLE instances (
	id      TEXT PRIMARY KEY,
	host    TEXT NOT NULL,
	boot    TEXT NOT NULL,
	pid     INTEGER NOT NULL,
	started INTEGER NOT NULL,
	seen    INTEGER NOT NULL
) STRICT;

-- Every audit log that this deployment has written, at each start of the process: which
-- public key signs which epoch of it.
CREATE TABLE audit_logs (
	uuid       TEXT NOT NULL,
	epoch      INTEGER NOT NULL,
	public_key TEXT NOT NULL,
	registered INTEGER NOT NULL,
	PRIMARY KEY (uuid, epoch)
) STRICT;
