// SPDX-License-Identifier: Apache-2.0

// Package rotation moves keys from version to version without a gap. RUNBOOK.md
// beside this file says what an operator does with it and what a crash leaves.
//
// This package owns the keyrings (envelope/FORMAT.md §3): it makes them, opens
// them into a Set that the data path uses without a key service or database,
// and moves their records to a new version of the KEK.
//
// # What must always hold
//
//   - A record counts only if the state database knows its digest. What lies in
//     a bucket is compared with the database, never believed: whoever may write
//     to the bucket and call the KEK could make a record of a key he knows.
//   - The KEK of a keyring comes from the configuration; the name in a record
//     is compared with it.
//   - No record object is written before the database has noted it, and none is
//     deleted but those that the database noted as replaced or abandoned. A
//     listing of the store decides nothing.
//   - A keyring version is never active, and an old record never replaced,
//     before the new record was read back from the bucket, unwrapped, and its
//     key check value compared. Of a bucket that was removed, which holds no
//     record any more, the record that the database will hold is unwrapped.
//   - Every change has its audit record on stable storage before it is made.
package rotation
