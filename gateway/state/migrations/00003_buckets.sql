-- Buckets that clients made and removed, beside those of the configuration. A row stays when
-- its bucket is gone: a name that comes back has the keyring, and so the KEK, of before, and
-- never another place.
CREATE TABLE buckets (
	name    TEXT PRIMARY KEY,
	backend TEXT NOT NULL,                -- configured name; the bucket there is called the same
	kek     TEXT NOT NULL,                -- of its keyring
	state   TEXT NOT NULL CHECK (state IN ('making', 'ready', 'removing', 'removed')),
	created INTEGER NOT NULL
) STRICT;
