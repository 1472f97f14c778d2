// SPDX-License-Identifier: Apache-2.0

// Package golden keeps what each release wrote, and opens all of it with
// today's code.
//
// v1 is the data directory of the first release: a disk store with objects of
// several sizes (one multipart), its keyring records, keystores sealed by a
// key file and by a passphrase, the audit log, the state database, the
// authority's keys and the policy. It is never made again. A later format gets
// a folder of its own:
//
//	go test ./testenv/golden -run TestWrite -write vN
//
// which refuses a folder that exists. Git keeps neither modes nor empty
// folders: the tests work on a copy with the modes that the program demands.
package golden
