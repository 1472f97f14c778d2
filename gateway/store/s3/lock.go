// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/sealgate/sealgate/gateway/store"
)

// The headers of a lock, of a write and of what answers it.
const (
	lockMode  = "X-Amz-Object-Lock-Mode"
	lockUntil = "X-Amz-Object-Lock-Retain-Until-Date"
	lockHold  = "X-Amz-Object-Lock-Legal-Hold"
)

// setLock adds what locks the object that is written.
func setLock(header map[string]string, l store.Lock) {
	if l.Mode != "" {
		header[lockMode], header[lockUntil] = l.Mode, l.Until.UTC().Format(time.RFC3339)
	}
	if l.Hold != "" {
		header[lockHold] = l.Hold
	}
}

// lockOf reads the lock of an object out of an answer. What is none is not
// passed on.
func lockOf(h http.Header) store.Lock {
	l := store.Lock{Hold: h.Get(lockHold)}
	if until, err := time.Parse(time.RFC3339, h.Get(lockUntil)); err == nil {
		l.Retention = store.Retention{Mode: h.Get(lockMode), Until: until.UTC().Truncate(time.Second)}
	}
	if l.Check() != nil {
		return store.Lock{}
	}
	return l
}

// Retain implements store.Locker. What would take a lock off is not sent.
func (s *Store) Retain(ctx context.Context, key, version string, r store.Retention) error {
	if err := errors.Join(checkVersion(version), r.Check()); err != nil {
		return fmt.Errorf("retaining %q: %w", key, err)
	}
	body, err := xml.Marshal(struct {
		XMLName xml.Name `xml:"Retention"`
		Mode    string
		Until   string `xml:"RetainUntilDate"`
	}{Mode: r.Mode, Until: r.Until.UTC().Format(time.RFC3339)})
	if err != nil {
		return fmt.Errorf("retaining %q: %w", key, err)
	}
	q := url.Values{"retention": {""}}
	if version != "" {
		q.Set("versionId", version)
	}
	err = s.retry(ctx, "retaining", key, func(ctx context.Context) error {
		return s.ask(ctx, call{method: http.MethodPut, key: key, query: q, body: body}, nil)
	})
	return s.lockedOut(ctx, key, version, store.Lock{Retention: r}, err)
}

// LockRule implements store.Locker.
func (s *Store) LockRule(ctx context.Context) (store.LockRule, error) {
	var answer struct {
		XMLName xml.Name `xml:"ObjectLockConfiguration"`
		Enabled string   `xml:"ObjectLockEnabled"`
		Mode    string   `xml:"Rule>DefaultRetention>Mode"`
		Days    int      `xml:"Rule>DefaultRetention>Days"`
		Years   int      `xml:"Rule>DefaultRetention>Years"`
	}
	err := within(ctx, s.c.Timeout, func(ctx context.Context) error {
		err := s.ask(ctx, call{method: http.MethodGet, query: url.Values{"object-lock": {""}}}, &answer)
		if e, ok := errors.AsType[minio.ErrorResponse](err); ok && (e.Code == "ObjectLockConfigurationNotFoundError" || e.Code == "NotImplemented") {
			return nil // locks nothing
		}
		return err
	})
	rule := store.LockRule{Mode: answer.Mode, Days: answer.Days, Years: answer.Years}
	switch known := rule.Mode == store.Governance || rule.Mode == store.Compliance; {
	case err != nil:
	case answer.Enabled != "Enabled":
		err = store.ErrNoLock
	case rule != store.LockRule{} && (!known || rule.Days < 0 || rule.Years < 0 || (rule.Days > 0) == (rule.Years > 0)):
		err = wrongAnswer("a rule of locking that is none")
	}
	if err != nil {
		return store.LockRule{}, fmt.Errorf("asking what %s locks: %w", s.c.Bucket, err)
	}
	return rule, nil
}

// lockedOut looks for the reason of a refusal in locks: servers have no words in
// common for it. It asks again only where the backend refused.
func (s *Store) lockedOut(ctx context.Context, key, version string, l store.Lock, err error) error {
	if !errors.Is(err, errRefused) || ctx.Err() != nil {
		return err
	}
	if !l.IsZero() {
		if _, rerr := s.LockRule(ctx); errors.Is(rerr, store.ErrNoLock) {
			return fmt.Errorf("%w (%w)", store.ErrNoLock, err)
		}
	}
	if o, herr := s.HeadVersion(ctx, key, version); herr == nil && o.Lock.Holds(time.Now()) {
		return fmt.Errorf("%w (%w)", store.ErrLocked, err)
	}
	return err
}
