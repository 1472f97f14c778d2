-- Multipart uploads, from CreateMultipartUpload until all that they left in a bucket is gone.
-- upload is the first half of the id's SHA-256, in hex: the id itself is a long sealed token,
-- and 10,000 receipts repeat it.
CREATE TABLE uploads (
	upload        TEXT PRIMARY KEY CHECK (length(upload) = 32),
	id            TEXT NOT NULL,
	bucket        TEXT NOT NULL,
	path          TEXT NOT NULL,          -- key that the object will have
	actor         TEXT NOT NULL,
	backend       TEXT NOT NULL,          -- the backend's own upload id, '' until it is known
	object        TEXT NOT NULL,
	metadata      TEXT NOT NULL,
	algorithm     TEXT NOT NULL,
	checksum_type TEXT NOT NULL,
	tags          TEXT NOT NULL,
	created       INTEGER NOT NULL,
	expires       INTEGER NOT NULL,
	active        INTEGER NOT NULL,       -- when a client last did something to it
	highest       INTEGER NOT NULL CHECK (highest BETWEEN 0 AND 10000),
	receipts      INTEGER NOT NULL,       -- how many receipts there ever were: their order
	state         TEXT NOT NULL CHECK (state IN ('opening', 'open', 'frozen', 'done', 'aborting')),
	frozen_list   TEXT,                   -- from here on: what the accepted Complete decided
	frozen_tail   BLOB,
	frozen_slot   INTEGER,
	frozen_merged INTEGER,
	etag          TEXT,                   -- the backend's, when it is done
	CHECK (state IN ('opening', 'open', 'aborting') OR frozen_list IS NOT NULL),
	CHECK (state <> 'done' OR etag IS NOT NULL)
) STRICT;

CREATE INDEX uploads_listed ON uploads (bucket, path, created, upload);

-- One row for each part that the backend took, also for those that a later one of the same
-- number replaced: Complete chooses by ETag.
CREATE TABLE receipts (
	upload  TEXT NOT NULL REFERENCES uploads (upload),
	number  INTEGER NOT NULL CHECK (number BETWEEN 1 AND 10000),
	etag    TEXT NOT NULL,
	serial  INTEGER NOT NULL,             -- the order of arrival in this upload
	staged  TEXT NOT NULL,                -- key of the staged object, '' if the backend has the part
	sealed  BLOB NOT NULL,
	created INTEGER NOT NULL,
	PRIMARY KEY (upload, number, etag),
	UNIQUE (upload, number, serial)
) STRICT;

-- Objects under .sealgate/staging/, noted before they are written and forgotten after they
-- are deleted. Only what is listed here is ever deleted there; a listing of the store decides
-- nothing. The reference keeps an upload's row for as long as one of them is left.
CREATE TABLE staged (
	bucket TEXT NOT NULL,
	path   TEXT NOT NULL,
	upload TEXT NOT NULL REFERENCES uploads (upload),
	since  INTEGER NOT NULL,
	PRIMARY KEY (bucket, path)
) STRICT;

CREATE INDEX staged_of ON staged (upload);

-- Whose each audit log is: with several replicas there are several logs, and each replica's
-- is held against its own registrations.
CREATE TABLE audit_homes (
	uuid    TEXT PRIMARY KEY,
	replica TEXT NOT NULL                 -- HOST:DIRECTORY
) STRICT;
