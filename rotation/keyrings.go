// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sealgate/sealgate/envelope"
	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/gateway/state"
	"github.com/sealgate/sealgate/gateway/store"
)

// Errors that callers branch on, beside those of envelope, store and state.
var (
	// ErrDeployment: bucket, database and configuration belong to different
	// deployments.
	ErrDeployment = errors.New("another deployment")
	// ErrRecord: a record in a bucket is not the one that the database knows.
	ErrRecord = errors.New("keyring record was changed")
	// ErrConfig: the scopes contradict each other or what exists.
	ErrConfig = errors.New("keyrings cannot be as configured")
	// ErrRunning: a KEK rotation is running already.
	ErrRunning = errors.New("a rotation is running")
	// ErrNoRotator: the KEK cannot make versions by itself.
	ErrNoRotator = errors.New("this KEK makes no versions by itself")
)

// systemBucket is the bucket name in the context of system keyrings. No client
// bucket has it: it is a namespace of the policy.
const systemBucket = "gateway"

// Scope is what one keyring covers.
type Scope struct {
	// Scope is BUCKET/PREFIX, ending in a slash: "models/", "models/pii/", or
	// "gateway/NAME/" for a system keyring.
	Scope string
	// Bucket and Prefix are the two parts of Scope; Prefix is "" or ends in a
	// slash. They are bound into every record and can never change.
	Bucket, Prefix string
	// KEK is the configured name of the key that wraps the records.
	KEK string
	// System marks a keyring of the gateway's own.
	System bool
}

// BucketScope is the scope of a prefix in a logical bucket; prefix is "" for
// the whole bucket.
func BucketScope(bucket, prefix, kek string) Scope {
	return Scope{Scope: bucket + "/" + prefix, Bucket: bucket, Prefix: prefix, KEK: kek}
}

// SystemScope is the scope of a system keyring: "tokens", "audit", "identity".
func SystemScope(name, kek string) Scope {
	return Scope{Scope: systemScope(name), Bucket: systemBucket, Prefix: name + "/", KEK: kek, System: true}
}

func (s Scope) check() error {
	switch {
	case s.Scope != s.Bucket+"/"+s.Prefix, s.Bucket == "", strings.Contains(s.Bucket, "/"):
		return fmt.Errorf("%w: scope %q is not bucket %q and prefix %q", ErrConfig, s.Scope, s.Bucket, s.Prefix)
	case !strings.HasSuffix(s.Scope, "/"):
		return fmt.Errorf("%w: scope %q must end in a slash", ErrConfig, s.Scope)
	case s.System != (s.Bucket == systemBucket):
		return fmt.Errorf("%w: scope %q: only system keyrings lie in %q", ErrConfig, s.Scope, systemBucket)
	default:
		return nil
	}
}

// Config is what Keyrings works with.
type Config struct {
	// State is the database.
	State *state.DB
	// Stores are the backends of the logical buckets.
	Stores map[string]store.Store
	// SystemBucket is the logical bucket whose store holds the records of the
	// system keyrings and the deployment's marker.
	SystemBucket string
	// KEKs by configured name.
	KEKs map[string]envelope.KEK
	// Deployment is what Identify gave.
	Deployment envelope.ID
	// Audit takes the intent of each change before it is made.
	Audit audit.Recorder
	// Actor stands in those records: the gateway's own SPIFFE ID.
	Actor string
	// Workers is how many records are moved or opened at once. 0: 8.
	Workers int
	// Persist, if set, is called with one of PersistPoints before each durable
	// step.
	Persist func(point string)
	// Now is the clock. Zero: time.Now.
	Now func() time.Time
}

// Keyrings makes, opens and moves the keyrings of a deployment. Its methods
// may be called concurrently, also on several Keyrings over one database, as
// there are during a reload: changes wait for each other.
type Keyrings struct {
	c Config
}

const defaultWorkers = 8

// New returns the keyrings of c. It touches nothing.
func New(c Config) (*Keyrings, error) {
	if c.State == nil || c.Audit == nil || c.Deployment.IsZero() {
		return nil, fmt.Errorf("%w: state, audit log and deployment are needed", ErrConfig)
	}
	if c.Stores[c.SystemBucket] == nil {
		return nil, fmt.Errorf("%w: system bucket %q has no store", ErrConfig, c.SystemBucket)
	}
	if c.Persist == nil {
		c.Persist = func(string) {}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Workers == 0 {
		c.Workers = defaultWorkers
	}
	return &Keyrings{c: c}, nil
}

// home is the logical bucket whose store holds the records of a context's
// bucket.
func (k *Keyrings) home(bucket string) string {
	if bucket == systemBucket {
		return k.c.SystemBucket
	}
	return bucket
}

func (k *Keyrings) store(home string) (store.Store, error) {
	s := k.c.Stores[home]
	if s == nil {
		return nil, notConfigured(home)
	}
	return s, nil
}

func (k *Keyrings) kek(name string) (envelope.KEK, error) {
	kek := k.c.KEKs[name]
	if kek == nil {
		return nil, fmt.Errorf("%w: KEK %q wraps keyring records but is not configured", ErrConfig, name)
	}
	return kek, nil
}
