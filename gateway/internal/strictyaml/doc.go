// SPDX-License-Identifier: Apache-2.0

// Package strictyaml reads the YAML that people write for Sealgate: the policy
// and the configuration. It accepts a small, unsurprising part of YAML and
// reports every fault it can find at once, each with its line and column.
//
// # What is accepted
//
// One document of mappings, lists and scalars in UTF-8, block or flow style.
// A scalar means what a reader of either YAML version would take it for:
//
//   - no anchors, aliases, merge keys, tags or directives, so that what a
//     reviewer sees at one place cannot be changed from another;
//   - no key twice in one mapping;
//   - an unquoted word that YAML 1.1 or 1.2 reads as something else than a
//     string (yes, on, null, 0x10, 1_000, 12:30) is no string and no key: it
//     has to be quoted, or be the true, false or decimal number that is wanted;
//   - no invisible character, no line break that editors do not show as one.
//
// A document is at most [MaxBytes] long, [MaxDepth] deep and has at most
// [MaxNodes] nodes.
//
// # Faults
//
// [Parse] and the accessors of [Node] add to a [Faults] list and go on. Their
// codes:
//
//	E001  not YAML, not UTF-8, empty, too large or too deep
//	E002  a second document
//	E003  an anchor, alias, merge key, tag or directive
//	E004  an unknown key
//	E005  a key twice in one mapping
//	E006  a value of another kind than is wanted
//	E007  a missing key
//
// Packages that read documents with it add codes of their own.
//
// Nodes may be read by several goroutines; a Faults list belongs to one.
package strictyaml
