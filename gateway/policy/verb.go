// SPDX-License-Identifier: Apache-2.0

package policy

import "slices"

// Verb is what somebody wants to do (§5). The zero value is no verb and is never
// granted.
type Verb uint8

// Verbs on data and secrets.
const (
	VerbRead   Verb = iota + 1 // GET, HEAD, attributes, tags; a secret's value
	VerbList                   // being seen in listings; a secret's name and versions
	VerbCreate                 // writing where nothing is yet
	VerbWrite                  // writing, also over what is there
	VerbDelete
	VerbTag
)

// Verbs on gateway/**.
const (
	VerbStatusRead Verb = iota + VerbTag + 1
	VerbConfigReload
	VerbPolicyPropose
	VerbPolicyApply
	VerbKeyRotate
	VerbKeyRetire
	VerbKeyDestroy
	VerbKeyShred
	VerbSecretRotate
	VerbCertRotate
	VerbIdentityLock
	VerbJobManage
	VerbDebug
	VerbBucketCreate // on gateway/buckets/NAME: make it, where buckets are made on demand
	VerbBucketDelete

	lastVerb = VerbBucketDelete
)

var verbNames = []string{
	"", "read", "list", "create", "write", "delete", "tag",
	"status-read", "config-reload", "policy-propose", "policy-apply", "key-rotate", "key-retire", "key-destroy", "key-shred",
	"secret-rotate", "cert-rotate", "identity-lock", "job-manage", "debug", "bucket-create", "bucket-delete",
}

// ParseVerb returns the verb with the given name.
func ParseVerb(name string) (Verb, bool) {
	i := slices.Index(verbNames, name)
	return Verb(max(i, 0)), i > 0
}

// String is the verb as the policy spells it.
func (v Verb) String() string {
	if int(v) >= len(verbNames) {
		return ""
	}
	return verbNames[v]
}

// verbSet is a set of verbs, one bit each.
type verbSet uint32

const (
	gatewayVerbs verbSet = (1<<(lastVerb+1) - 1) &^ (1<<VerbStatusRead - 1)
	dataVerbs    verbSet = (1<<VerbStatusRead - 1) &^ 1
	// sealedVerbs change what a sealed path holds (§2, step 4).
	sealedVerbs verbSet = 1<<VerbCreate | 1<<VerbWrite | 1<<VerbTag
)

// bit is empty for what is no verb, so that no rule matches it.
func (v Verb) bit() verbSet { return 1 << v & (gatewayVerbs | dataVerbs) }

func (s verbSet) has(v Verb) bool { return s&v.bit() != 0 }

func (s verbSet) verbs() []Verb {
	var vs []Verb
	for v := VerbRead; v <= lastVerb; v++ {
		if s.has(v) {
			vs = append(vs, v)
		}
	}
	return vs
}

// granted is what a can with these verbs allows: write implies create.
func (s verbSet) granted() verbSet {
	if s.has(VerbWrite) {
		s |= VerbCreate.bit()
	}
	return s
}

// refused is what a cannot or deny with these verbs refuses. A plain PUT creates,
// and creating is writing: denying one without the other would leave a way round.
func (s verbSet) refused() verbSet {
	if both := VerbCreate.bit() | VerbWrite.bit(); s&both != 0 {
		s |= both
	}
	return s
}
