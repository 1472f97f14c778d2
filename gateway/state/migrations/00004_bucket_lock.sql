-- Whether objects can be locked in a bucket that a client made: to be made so again when its
-- making was cut off.
ALTER TABLE buckets ADD COLUMN object_lock INTEGER NOT NULL DEFAULT 0;
