// SPDX-License-Identifier: Apache-2.0

// Package config reads sealgate.yaml and sealgate-agent.yaml, strictly: whatever
// is not defined here is a fault, all faults are reported at once, each with its
// line and column, and a file with a fault changes nothing.
//
// # The definition
//
// [Config], [Agent] and the types below them define the files; there is no second
// list of fields. Each field is tagged with
//
//	yaml    its key
//	as      what is written there, with bounds: duration 1s..1m, size, byte-rate,
//	        count, bool, enum a|b, path, address, name, ...
//	need    that it must be given where its mapping is
//	when    the kind or source for which it exists
//	reload  what a change takes, inherited from the field around it: live, restart,
//	        or never
//	doc     what it means, as `sealgate config print --defaults` shows it
//
// # What is written
//
// Keys are snake_case, words for values lower-case-with-dashes. A bare number is a
// count. Everything else has a unit: durations s m h d (1h30m), sizes B KiB MiB GiB
// TiB, rates 16KiB/s. Relative paths start from the directory of the file. A secret
// is never written: such a field takes {file: PATH}.
//
// What is absent has its embedded default; see [Embedded]. So `version: 1` alone is
// a configuration.
//
// # Faults
//
// Besides those of syntax (E001 to E007):
//
//	E501  a version of the file that is not known
//	E502  not a name
//	E503  not a trust domain, or not a SPIFFE ID of it
//	E504  not an address, endpoint or socket, or one that is taken twice
//	E505  not a path
//	E506  not a bucket name, or one that is reserved
//	E508  a name that is not defined
//	E509  two buckets in one place, or a store around other files
//	E510  not a scope, or one that is given twice
//	E511  a path without a keyring
//	E512  not a duration, size or rate with its unit
//	E513  a value out of its bounds
//	E514  none of the words that are possible
//	E515  a field that does not go with another
//	E516  a secret where a reference to it belongs
package config
