// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"errors"
	"sync"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"
)

// rereadAfter is how old credentials may be before they are read again.
const rereadAfter = 2 * time.Second

// credentialsOf gives what requests are signed with.
func credentialsOf(c Config) (*credentials.Credentials, error) {
	switch {
	case c.Instance:
		return credentials.NewIAM(""), nil
	case c.Read == nil:
		return nil, errors.New("credentials are needed")
	}
	p := &reread{read: c.Read}
	if _, err := p.Retrieve(); err != nil {
		return nil, err // a backend whose credentials cannot be read at the start is a fault of the configuration
	}
	return credentials.New(p), nil
}

// reread is a credentials.Provider that follows a file. When it cannot be
// read any more, the last good ones stay in use: the backend decides.
type reread struct {
	read func() (Credentials, error)

	mu   sync.Mutex // guards what follows
	last credentials.Value
	at   time.Time
}

// Retrieve implements credentials.Provider.
func (r *reread) Retrieve() (credentials.Value, error) {
	c, err := r.read()
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err == nil && (c.AccessKey == "" || c.SecretKey == ""):
		err = errors.New("access key and secret key are both needed")
	case err == nil:
		r.last = credentials.Value{
			AccessKeyID: c.AccessKey, SecretAccessKey: c.SecretKey, SessionToken: c.SessionToken, SignerType: credentials.SignatureV4,
		}
	}
	r.at = time.Now()
	if r.last.AccessKeyID == "" {
		return credentials.Value{}, err
	}
	return r.last, nil
}

// RetrieveWithCredContext implements credentials.Provider.
func (r *reread) RetrieveWithCredContext(*credentials.CredContext) (credentials.Value, error) {
	return r.Retrieve()
}

// IsExpired implements credentials.Provider.
func (r *reread) IsExpired() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Since(r.at) > rereadAfter
}
