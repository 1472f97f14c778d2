// SPDX-License-Identifier: Apache-2.0

package config

import (
	"time"

	"github.com/sealgate/sealgate/certs"
)

// Config is a whole configuration, with every default filled in and every check
// passed. It is not changed after it was made.
//
// The tags of its fields are the definition of the file; see the package's
// documentation for what they mean.
type Config struct {
	Version     int               `yaml:"version" as:"version" need:"true" reload:"restart" doc:"of the format of this file"`
	Deployment  string            `yaml:"deployment" as:"name" reload:"never" doc:"bound into every key: it never changes once the first object is stored"`
	DataDir     string            `yaml:"data_dir" as:"path" reload:"restart" doc:"audit log, database, sockets; of one process; not on NFS"`
	TrustDomain certs.TrustDomain `yaml:"trust_domain" as:"trust-domain" reload:"restart" doc:"of this gateway; the policy names the same"`
	Listeners   Listeners         `yaml:"listeners" reload:"restart" doc:"where it listens: HOST:PORT, port 0 takes a free one"`
	Identity    Identity          `yaml:"identity" reload:"restart" doc:"who the gateway is, and which certificates it takes from others"`
	STS         STS               `yaml:"sts" reload:"live" doc:"sessions of clients that sign instead of showing a certificate; they need listeners.s3_session_keys"`
	Policy      Policy            `yaml:"policy" reload:"restart" doc:"who may do what; the file is read again by itself when it changes"`
	State       State             `yaml:"state" reload:"restart" doc:"the state database; absent is SQLite in the data directory, for one replica"`
	System      System            `yaml:"system" reload:"never" doc:"where the gateway keeps records of its own"`
	Backends    []Backend         `yaml:"backends" as:"named name" reload:"restart" doc:"where ciphertext is stored, by name"`
	Buckets     []Bucket          `yaml:"buckets" as:"named bucket" reload:"live" doc:"what clients see, by name: where its ciphertext lies"`
	OnDemand    OnDemand          `yaml:"buckets_on_demand" reload:"restart" doc:"buckets that clients make and remove themselves, where the policy grants bucket-create and bucket-delete"`
	KEKs        []KEK             `yaml:"keks" as:"named name" reload:"restart" doc:"keys that wrap the keyrings' keys, by name"`
	Keyrings    []Keyring         `yaml:"keyrings" as:"keyrings" reload:"live" doc:"which KEK protects what; the longest scope wins; absent is one keyring a bucket"`
	Audit       Audit             `yaml:"audit" reload:"restart" doc:"the audit log, in the data directory"`
	Uploads     Uploads           `yaml:"uploads" reload:"restart" doc:"multipart uploads that were not completed"`
	Limits      Limits            `yaml:"limits" reload:"live" doc:"what one listener and one identity may take"`
	Log         Log               `yaml:"log" reload:"live" doc:"of the process, to stderr; no object data, no secrets"`
}

// Listeners are the addresses that the gateway listens on.
type Listeners struct {
	S3      S3Listener      `yaml:"s3_mtls" doc:"S3 for workloads, mutual TLS"`
	Session SessionListener `yaml:"s3_session_keys" doc:"S3 for clients that sign with session keys, presigned requests, web identities"`
	Control ControlListener `yaml:"control" doc:"for operators: {address: HOST:PORT}; the unix socket in the data directory is always there"`
	Metrics Listener        `yaml:"metrics" doc:"plain HTTP: /metrics /livez /readyz, no artifact data"`
}

// S3Listener is where workloads come in.
type S3Listener struct {
	Address string `yaml:"address" as:"address" doc:"HOST:PORT"`
	Domain  string `yaml:"domain" as:"domain" doc:"BUCKET.domain is taken as a Host too; the gateway's SVID needs these DNS names, the built-in authority puts them in"` // "" = path style only
}

// SessionListener is where clients without a certificate come in.
type SessionListener struct {
	Enabled bool     `yaml:"enabled" as:"bool" doc:"false is the stronger mode: a client certificate for every request"`
	Address string   `yaml:"address" as:"address" doc:"HOST:PORT"`
	Domain  string   `yaml:"domain" as:"domain" doc:"BUCKET.domain is taken as a Host too"` // "" = path style only
	TLS     TLSFiles `yaml:"tls" doc:"what it presents; absent is the gateway's own SVID"`
}

// TLSFiles are a server certificate and its key: both or none.
type TLSFiles struct {
	Cert string `yaml:"cert_file" as:"path" doc:"certificate, then intermediates; read again within 2s of a change"`
	Key  string `yaml:"key_file" as:"path" doc:"private key, mode 0600"`
}

// STS bounds sessions and says whose tokens make them.
type STS struct {
	Session    time.Duration `yaml:"session" as:"duration 15m..1h" doc:"the longest session, and what one lasts where nothing is asked for"`
	MaxPresign time.Duration `yaml:"max_presign" as:"duration 1m..7d" doc:"the longest that a presigned request may hold; it never outlives its session"`
	Bind       bool          `yaml:"bind_to_credential" as:"bool" doc:"true ends the session of a web token with the token; SDKs then ask again on every call"`
	Issuers    []Issuer      `yaml:"issuers" as:"issuers" doc:"[{url, audience, id, keys | keys_file, ca_file}]: OpenID Connect issuers whose tokens make sessions"`
}

// Issuer is an OpenID Connect issuer. Exactly one of Keys and KeysFile is set.
type Issuer struct {
	URL      string `yaml:"url" as:"text" need:"true" doc:"iss of its tokens, byte by byte"`
	Audience string `yaml:"audience" as:"text" need:"true" doc:"the one audience of its tokens"`
	ID       string `yaml:"id" as:"text" need:"true" doc:"SPIFFE ID with {claim.NAME} as whole segments, in a trust domain of its own"`
	Keys     string `yaml:"keys" as:"url" doc:"https address of its JWK set"`
	KeysFile string `yaml:"keys_file" as:"path" doc:"holds its JWK set"`
	CAFile   string `yaml:"ca_file" as:"path" doc:"the only authorities of the address; absent is the system's"`
}

// Listener is one TCP address.
type Listener struct {
	Address string `yaml:"address" as:"address" doc:"HOST:PORT"`
}

// ControlListener is where operators come in besides the unix socket.
type ControlListener struct {
	Address string `yaml:"address" as:"address" doc:"mutual TLS; absent is the unix socket alone"` // "" = none
}

// The sources of the gateway's identity.
const (
	SourceWorkload  = "workload"  // a SPIFFE Workload API
	SourceFiles     = "files"     // PEM files
	SourceAuthority = "authority" // built in, for one machine
)

// Identity says where the gateway's own certificate comes from, and what it
// demands of its clients'.
type Identity struct {
	Source   string        `yaml:"source" as:"enum workload|files|authority" doc:"workload (a SPIFFE Workload API), files, or authority (built in, one machine)"`
	Workload Workload      `yaml:"workload" when:"workload" need:"true" doc:"the Workload API"`
	Files    IdentityFiles `yaml:"files" when:"files" need:"true" doc:"PEM files, read again within 2s of a change"`

	MaxClientSVIDLifetime time.Duration `yaml:"max_client_svid_lifetime" as:"duration 1m..365d" doc:"a longer-lived client certificate is refused"`
	MaxOverrun            time.Duration `yaml:"max_overrun" as:"duration 0s..1d" doc:"a transfer begun while the SVID was valid may end; a denial cuts at once"`
}

// Workload is a SPIFFE Workload API.
type Workload struct {
	Socket string   `yaml:"socket" as:"socket" need:"true" doc:"unix:///PATH or tcp://IP:PORT"`
	ID     certs.ID `yaml:"id" as:"id" doc:"which SVID to take; absent takes the only one there is"`
}

// IdentityFiles are the files of an identity.
type IdentityFiles struct {
	Cert   string `yaml:"cert" as:"path" need:"true" doc:"certificate, then intermediates"`
	Key    string `yaml:"key" as:"path" need:"true" doc:"private key, mode 0600"`
	Bundle string `yaml:"bundle" as:"path" need:"true" doc:"roots of the own trust domain"`
}

// Policy says where the policy is.
type Policy struct {
	Source string `yaml:"source" as:"enum file" doc:"file is the only one"`
	File   string `yaml:"file" as:"path" when:"file" doc:"absent is policy.yaml in the data directory, and without that the built-in seed policy"`
	// Seed: no file was named, so one that is not there means the seed policy.
	Seed bool `yaml:"-"`
}

// System says where the gateway keeps records of its own.
type System struct {
	Bucket string `yaml:"bucket" as:"text" doc:"bucket with the records of the gateway's own keyrings; absent is the first of buckets"`
}

// The kinds of backends.
const (
	BackendDisk = "disk" // directories on a local file system
	BackendS3   = "s3"   // any S3-compatible service
)

// Backend is a place for ciphertext. Fields that are not of its kind are zero, but
// for ConditionalWrites, which a disk always has.
type Backend struct {
	Name              string     `yaml:"-"`
	Kind              string     `yaml:"kind" as:"enum disk|s3" need:"true" doc:"disk or s3"`
	Dir               string     `yaml:"dir" as:"path" when:"disk" doc:"holds one directory for each bucket; absent is objects in the data directory"`
	Endpoint          string     `yaml:"endpoint" as:"endpoint" when:"s3" need:"true" doc:"https://HOST[:PORT]"`
	Region            string     `yaml:"region" as:"text" when:"s3" doc:"that requests are signed for"`
	CAFile            string     `yaml:"ca_file" as:"path" when:"s3" doc:"the only authorities of the endpoint's certificate; absent is the system's"`
	Credential        Credential `yaml:"credential" when:"s3" need:"true" reload:"live" doc:"{file: PATH}, or {instance: true} for the machine's role"`
	ConditionalWrites bool       `yaml:"conditional_writes" as:"bool" when:"s3" doc:"false for a service that ignores If-Match: what needs it is then refused"`
}

// Credential refers to the credential of a backend: exactly one field is set.
type Credential struct {
	File     string `yaml:"file" as:"path" doc:"read again within 2s of a change"`
	Instance bool   `yaml:"instance" as:"flag" doc:"of the machine's role"`
}

// Bucket is a bucket as clients see it.
type Bucket struct {
	Name    string `yaml:"-"`
	Backend string `yaml:"backend" as:"name" need:"true" reload:"never" doc:"one of backends"`
	Bucket  string `yaml:"bucket" as:"bucket" reload:"never" doc:"its name there; absent is the same name"`
}

// OnDemand lets clients make buckets and remove them again. A bucket that was made
// keeps the backend and the KEK that it was made with.
type OnDemand struct {
	Enabled bool   `yaml:"enabled" as:"flag" doc:"absent is false: the buckets are those above"`
	Backend string `yaml:"backend" as:"name" doc:"where, in backend buckets of the same names; absent is the only one of backends"`
	KEK     string `yaml:"kek" as:"name" doc:"of the keyring that each gets; absent is the only one of keks"`
}

// KEKLocal is the one kind of KEK so far: a keystore file.
const KEKLocal = "local"

// KEK is a key-encryption key. Exactly one of KeyFile and Passphrase is set.
type KEK struct {
	Name       string `yaml:"-"`
	Kind       string `yaml:"kind" as:"enum local" need:"true" reload:"never" doc:"local: a keystore file"`
	Keystore   string `yaml:"keystore" as:"path" when:"local" doc:"absent is keys/keystore in the data directory"`
	KeyFile    string `yaml:"key_file" as:"path" when:"local" doc:"opens the keystore; made at the first start; this or passphrase"`
	Passphrase Secret `yaml:"passphrase" when:"local" doc:"{file: PATH}: opens the keystore; this or key_file"`
}

// Secret refers to a secret: no secret is ever written into the configuration.
type Secret struct {
	File string `yaml:"file" as:"path" need:"true" doc:"holds the secret, mode 0600"`
}

// Keyring is the keyring of one scope.
type Keyring struct {
	Scope string `yaml:"scope" as:"text" doc:"BUCKET/ or BUCKET/PREFIX/"`
	KEK   string `yaml:"kek" as:"name" reload:"never" doc:"one of keks"`
}

// Audit shapes the audit log.
type Audit struct {
	CommitDeadline time.Duration `yaml:"commit_deadline" as:"duration 1s..1m" doc:"a record that is not on disk by then is answered with 503, and nothing was disclosed"`
	SegmentSize    int64         `yaml:"segment_size" as:"size 1MiB..4GiB" doc:"a segment is sealed at this size"`
	SegmentAge     time.Duration `yaml:"segment_age" as:"duration 1m..1d" doc:"or at this age"`
}

// Uploads says what becomes of multipart uploads.
type Uploads struct {
	AbandonAfter time.Duration `yaml:"abandon_after" as:"duration 1s..7d" doc:"one that no client touched for so long is given up; what it left is removed"`
}

// Limits bound what one listener and one identity may take.
type Limits struct {
	Connections            int           `yaml:"connections" as:"count 1..1000000" doc:"of the S3 listener"`
	ConnectionsPerIdentity int           `yaml:"connections_per_identity" as:"count 1..1000000" doc:"of one SPIFFE ID"`
	RequestsPerIdentity    int           `yaml:"requests_per_identity" as:"count 1..1000000" doc:"in flight, of one SPIFFE ID"`
	MinRate                int64         `yaml:"min_rate" as:"byte-rate 1KiB/s..1GiB/s" doc:"a transfer that is slower over 30s is cut"` // bytes per second
	Drain                  time.Duration `yaml:"drain" as:"duration 0s..1h" doc:"that running requests have to end when the gateway stops"`
}

// Log shapes the log of the process.
type Log struct {
	Level  string `yaml:"level" as:"enum debug|info|warn|error" doc:"debug, info, warn or error"`
	Format string `yaml:"format" as:"enum json|text" reload:"restart" doc:"json or text"`
}
