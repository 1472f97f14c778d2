// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/sealgate/sealgate/gateway/store"
)

// codes maps error codes of S3 and of the servers that speak it to kinds.
var codes = map[string]error{
	"NoSuchKey":                      store.ErrNotFound,
	"NoSuchVersion":                  store.ErrNotFound,
	"NoSuchUpload":                   store.ErrNoUpload,
	"InvalidPart":                    store.ErrPart,
	"InvalidPartOrder":               store.ErrPart,
	"EntityTooSmall":                 store.ErrPart,
	"InvalidTag":                     store.ErrOptions,
	"PreconditionFailed":             store.ErrPrecondition,
	"BucketAlreadyOwnedByYou":        store.ErrPrecondition,
	"BucketAlreadyExists":            store.ErrPrecondition,
	"BucketNotEmpty":                 store.ErrPrecondition,
	"InvalidBucketName":              store.ErrKey,
	"InvalidRange":                   store.ErrRange,
	"EntityTooLarge":                 store.ErrTooLarge,
	"KeyTooLongError":                store.ErrKeyTooLong,
	"InvalidURI":                     store.ErrKey,
	"InvalidObjectName":              store.ErrKey, // and below: MinIO, versitygw
	"XMinioInvalidObjectName":        store.ErrKey,
	"XMinioInvalidResourceName":      store.ErrKey,
	"XMinioObjectExistsAsDirectory":  store.ErrKey,
	"XMinioParentIsObject":           store.ErrKey,
	"ObjectParentIsFile":             store.ErrKey,
	"ExistingObjectIsDirectory":      store.ErrKey,
	"ErrDirectoryNotEmpty":           store.ErrKey, // "a/" where there is "a/b"
	"DirectoryObjectContainsData":    store.ErrKey,
	"InsufficientStorage":            store.ErrNoSpace,
	"QuotaExceeded":                  store.ErrNoSpace,
	"XMinioStorageFull":              store.ErrNoSpace,
	"XMinioAdminBucketQuotaExceeded": store.ErrNoSpace,
	"NoSuchBucket":                   store.ErrUnavailable,
	"ConditionalRequestConflict":     store.ErrUnavailable, // lost a race, either way
	"OperationAborted":               store.ErrUnavailable,
	"RequestTimeout":                 store.ErrUnavailable,
	"SlowDown":                       store.ErrUnavailable,
	"InternalError":                  store.ErrUnavailable,
	"ServiceUnavailable":             store.ErrUnavailable,
	"XMinioServerNotInitialized":     store.ErrUnavailable,
	"XMinioBackendDown":              store.ErrUnavailable,
	"IncompleteBody":                 store.ErrUnavailable,
	"XAmzContentSHA256Mismatch":      store.ErrUnavailable,
	"NotImplemented":                 errRefused,
	"AccessDenied":                   errRefused,
	"SignatureDoesNotMatch":          errRefused,
	"InvalidAccessKeyId":             errRefused,
	"RequestTimeTooSkewed":           errRefused,
	"AuthorizationHeaderMalformed":   errRefused,
	"PermanentRedirect":              errRefused,
	"MethodNotAllowed":               errRefused,
}

// statuses is for answers without a code that is known: to HEAD, and of what
// stands between here and the backend.
var statuses = map[int]error{
	http.StatusNotFound:                     store.ErrNotFound,
	http.StatusPreconditionFailed:           store.ErrPrecondition,
	http.StatusRequestedRangeNotSatisfiable: store.ErrRange,
	http.StatusRequestEntityTooLarge:        store.ErrTooLarge,
	http.StatusInsufficientStorage:          store.ErrNoSpace,
	http.StatusRequestTimeout:               store.ErrUnavailable,
	http.StatusConflict:                     store.ErrUnavailable,
	http.StatusTooManyRequests:              store.ErrUnavailable,
	http.StatusNotImplemented:               errRefused,
}

// errRedirect: a redirect would take signed requests where the backend likes.
var errRedirect = fmt.Errorf("%w: it redirects elsewhere", errRefused)

// errRefused is what is none of the store's kinds: the backend will not do it,
// now or later, and who runs the gateway has to see why.
var errRefused = errors.New("storage refused the request")

// classify gives an error of one call its kind of the contract. The caller's
// own end of the call comes before whatever it caused.
func classify(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	resp, ok := errors.AsType[minio.ErrorResponse](err)
	if ok && (resp.StatusCode != 0 || codes[resp.Code] != nil) {
		return fmt.Errorf("%w (status %d, %.60q)", kindOf(resp), resp.StatusCode, resp.Code)
	}
	for _, kind := range []error{
		errRefused, store.ErrUnavailable, store.ErrKey, store.ErrOptions, store.ErrNotFound, store.ErrRange, store.ErrNoUpload, store.ErrNoLock,
	} {
		if errors.Is(err, kind) {
			return err
		}
	}
	return fmt.Errorf("%w (%w)", store.ErrUnavailable, err)
}

func kindOf(resp minio.ErrorResponse) error {
	if kind := codes[resp.Code]; kind != nil {
		return kind
	}
	if kind := statuses[resp.StatusCode]; kind != nil {
		return kind
	}
	// An answer of success that holds an error, or nothing that can be read,
	// leaves open what was done.
	if resp.StatusCode >= 500 || resp.StatusCode < 300 {
		return store.ErrUnavailable
	}
	return errRefused
}

// errSlow ends calls that the backend does not begin to answer in time.
var errSlow = fmt.Errorf("no answer in time: %w", store.ErrUnavailable)

// tries is how often a call without a body is made while the backend is
// unavailable; between them lies a random wait of up to backoff, doubling.
const (
	tries   = 3
	backoff = 100 * time.Millisecond
)

// retry calls f until it gets an answer, with a context that ends after the
// timeout for all tries together.
func (s *Store) retry(ctx context.Context, what, key string, f func(context.Context) error) error {
	err := errors.Join(checkKey(key), ctx.Err())
	if err == nil {
		err = within(ctx, s.c.Timeout, f)
	}
	if err != nil {
		return fmt.Errorf("%s %q: %w", what, key, err)
	}
	return nil
}

// within is retry with an end.
func within(ctx context.Context, limit time.Duration, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errSlow)
	defer cancel()
	return retry(ctx, f)
}

// final is an error after which a call must not be made again.
type final struct{ error }

// Unwrap returns the error itself.
func (f final) Unwrap() error { return f.error }

func retry(ctx context.Context, f func(context.Context) error) error {
	for try := 1; ; try++ {
		raw := f(ctx)
		err := classify(ctx, raw)
		_, last := errors.AsType[final](raw)
		if last || try == tries || !errors.Is(err, store.ErrUnavailable) || ctx.Err() != nil {
			return err
		}
		wait := rand.N(backoff << try) //nolint:gosec // spreads tries, guards nothing
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}
