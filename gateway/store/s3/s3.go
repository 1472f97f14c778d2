// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/sealgate/sealgate/gateway/store"
)

// Credentials of the backend's account.
type Credentials struct {
	AccessKey, SecretKey string
	// SessionToken goes with temporary credentials, "" otherwise.
	SessionToken string
}

// String names the access key only: secrets are never printed.
func (c Credentials) String() string { return "[credentials " + c.AccessKey + "]" }

// GoString is String, for %#v.
func (c Credentials) GoString() string { return c.String() }

// Static gives these credentials for ever, as Config.Read.
func (c Credentials) Static() func() (Credentials, error) {
	return func() (Credentials, error) { return c, nil }
}

// Config of a Store.
type Config struct {
	// Endpoint is the URL of the service: a scheme (https, or http for a
	// backend on a trusted path), a host and perhaps a port; nothing else.
	Endpoint string
	// Region that requests are signed for; "" is us-east-1.
	Region string
	// Bucket must exist.
	Bucket string
	// Read gives the credentials that requests are signed with. It is called
	// again every two seconds while there are requests, so that a file that
	// rotates is followed. Nil only with Instance.
	Read func() (Credentials, error)
	// Instance takes the credentials of the machine's role instead.
	Instance bool
	// CAFile is a PEM file with the only authorities that the endpoint's
	// certificate may come from; "" is those of the system.
	CAFile string
	// Timeout bounds the wait for the start of an answer, all tries together;
	// 0 is 30 s. It does not bound a body.
	Timeout time.Duration
	// StallTimeout is how long a body may wait for the backend in excess of
	// one second for every 8 KiB; 0 is 30 s. The time that the other side of
	// the gateway takes is not counted.
	StallTimeout time.Duration
	// LongTimeout bounds the wait for the answer to what is work for the
	// backend: a copy, the completion of an upload; 0 is 1 h.
	LongTimeout time.Duration
	// CopyLimit is the largest object in bytes that one request copies; larger
	// ones are copied in parts of at most this size. 0 is 5 GiB, the limit of S3.
	CopyLimit int64
}

const (
	defaultRegion  = "us-east-1"
	defaultTimeout = 30 * time.Second
	defaultLong    = time.Hour
	metadataName   = "sg1"
	contentType    = "application/octet-stream"
)

// Store is one bucket at one endpoint. It implements store.Store and all that is
// optional.
type Store struct {
	core     *minio.Core
	creds    *credentials.Credentials
	http     *http.Client
	endpoint *url.URL
	c        Config
	summed   *atomic.Bool // the endpoint demands checksums
}

var (
	_ store.Multiparter = (*Store)(nil)
	_ store.Copier      = (*Store)(nil)
	_ store.Tagger      = (*Store)(nil)
	_ store.Locker      = (*Store)(nil)
)

// Open checks the configuration and returns the store. It does not connect:
// store.Probe does.
func Open(c Config) (*Store, error) {
	s, err := open(c)
	if err == nil && c.Bucket == "" {
		err = errors.New("a bucket is needed")
	}
	if err != nil {
		return nil, fmt.Errorf("opening S3 store %s: %w", c.Endpoint, err)
	}
	return s, nil
}

func open(c Config) (*Store, error) {
	u, err := parseEndpoint(c.Endpoint)
	if err != nil {
		return nil, err
	}
	c.Region = cmp.Or(c.Region, defaultRegion)
	c.Timeout = cmp.Or(c.Timeout, defaultTimeout)
	c.StallTimeout = cmp.Or(c.StallTimeout, defaultTimeout)
	c.LongTimeout = cmp.Or(c.LongTimeout, defaultLong)
	c.CopyLimit = cmp.Or(c.CopyLimit, store.MaxPart)
	transport, err := newTransport(c)
	if err != nil {
		return nil, err
	}
	s := &Store{endpoint: u, c: c, http: newHTTPClient(transport), summed: new(atomic.Bool)}
	if s.creds, err = credentialsOf(c); err != nil {
		return nil, err
	}
	o := minio.Options{
		Creds:      s.creds,
		Secure:     u.Scheme == "https",
		Transport:  transport,
		Region:     c.Region,
		MaxRetries: 1, // what can be tried again, is tried again here
	}
	s.core, err = minio.NewCore(u.Host, &o)
	return s, err
}

func parseEndpoint(endpoint string) (*url.URL, error) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return nil, err
	}
	bare := url.URL{Scheme: u.Scheme, Host: u.Host}
	if u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || strings.TrimSuffix(endpoint, "/") != bare.String() {
		return nil, fmt.Errorf("endpoint is not of the form https://HOST[:PORT]")
	}
	return &bare, nil
}

// checkKey refuses the keys that S3 servers are known to store or list under
// another name, silently, so that two keys would be one object: "/a" and "a//b"
// become "a" and "a/b" where keys are paths, dots are taken out of the URL on
// the way, and XML 1.0 has no way to write most control characters.
func checkKey(key string) error {
	if err := store.CheckKey(key); err != nil {
		return err
	}
	if !possible(key) || strings.TrimSpace(key) == "" {
		return fmt.Errorf("empty segment, control character or blank key: %w", store.ErrKey)
	}
	for seg := range strings.SplitSeq(key, "/") {
		if seg == "." || seg == ".." {
			return fmt.Errorf("segment %q: %w", seg, store.ErrKey)
		}
	}
	return nil
}

// possible reports whether a key could start with prefix.
func possible(prefix string) bool {
	// XML 1.0 §2.2
	unwritable := func(r rune) bool { return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF }
	return !strings.HasPrefix(prefix, "/") && !strings.Contains(prefix, "//") && !strings.ContainsFunc(prefix, unwritable)
}

// Head implements store.Store.
func (s *Store) Head(ctx context.Context, key string) (store.Object, error) {
	return s.HeadVersion(ctx, key, "")
}

// Delete implements store.Store.
func (s *Store) Delete(ctx context.Context, key string) error {
	_, err := s.DeleteVersion(ctx, key, "")
	return err
}

// describe turns what an answer's headers say into an Object. What is missing
// or out of bounds is not passed on.
func describe(key string, info minio.ObjectInfo) (store.Object, error) {
	meta := info.Headers.Get("X-Amz-Meta-" + metadataName)
	if info.Size < 0 || info.ETag == "" || len(meta) > store.MaxMetadata {
		return store.Object{}, fmt.Errorf("answer without a size or ETag, or with too much metadata: %w", store.ErrUnavailable)
	}
	return store.Object{
		Key: key, Size: info.Size, ETag: info.ETag, LastModified: info.LastModified.UTC(),
		Metadata: meta, VersionID: version(info.VersionID), Lock: lockOf(info.Headers),
	}, nil
}

// version is the version of an object; "null" is what unversioned ones have.
func version(id string) string {
	if id == "null" {
		return ""
	}
	return id
}
