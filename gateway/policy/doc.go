// SPDX-License-Identifier: Apache-2.0

// Package policy decides who may do what, on which prefix.
//
// POLICY.md is the specification; sections named here are sections of it.
//
// [Parse] reads a document into a [Policy], which never changes. The policy
// compiles the rules that concern one identity into a [Principal], which a
// connection keeps and asks once per request:
//
//	p, faults := policy.Parse("policy.yaml", src)
//	who := p.Principal(id)
//	d := who.Decide(policy.Query{Verb: policy.VerbRead, Bucket: "models", Key: "a/b", Now: now})
//	grant, err := d.Grant()
//
// A [Grant] is made by an allowing [Decision] and by nothing else. Code that
// touches an object takes a Grant, so what was not authorized does not compile.
//
// The package does no I/O, except that Parse loads time zones from the system's
// database, and reads no clock. Everything but Parse's fault list may be used by
// several goroutines at once.
package policy
