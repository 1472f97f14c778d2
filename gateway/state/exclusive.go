// SPDX-License-Identifier: Apache-2.0

package state

// LockRecords waits for whoever in this process reads or writes record objects
// in buckets and keeps others out until unlock is called: between a bucket and
// its rows there is no transaction, and a record on its way from one to the
// other looks like damage. It belongs to the database and not to its users,
// since a reload of the configuration makes a second one beside the first.
func (db *DB) LockRecords() (unlock func()) {
	db.records.Lock()
	return db.records.Unlock
}

// BeginRotation claims the one rotation that may run; false if one runs. The
// caller calls end.
func (db *DB) BeginRotation() (end func(), ok bool) {
	if !db.rotating.CompareAndSwap(false, true) {
		return nil, false
	}
	return func() { db.rotating.Store(false) }, true
}
