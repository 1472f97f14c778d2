// SPDX-License-Identifier: Apache-2.0

package s3_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/sealgate/sealgate/gateway/store"
	"github.com/sealgate/sealgate/gateway/store/s3"
)

// AWS in us-east-1 says that it made a bucket that its owner has already. What is
// there is never taken for new.
func TestBucketThatIsThereIsNotMade(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		head int
		want error
		puts int
	}{
		"not there":       {http.StatusNotFound, nil, 1},
		"ours":            {http.StatusOK, store.ErrPrecondition, 0},
		"somebody else's": {http.StatusForbidden, store.ErrPrecondition, 0},
		"not to be told":  {http.StatusServiceUnavailable, store.ErrUnavailable, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, _ := newFake(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodHead {
					w.WriteHeader(tt.head)
				}
			}, nil)
			maker, err := s3.OpenBuckets(s3.Config{Endpoint: f.URL, Read: s3.Credentials{AccessKey: "key", SecretKey: "secret"}.Static()})
			if err != nil {
				t.Fatal(err)
			}
			if err := maker.MakeBucket(t.Context(), "bucket", store.BucketOptions{}); !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if n := f.calls(http.MethodPut); n != tt.puts {
				t.Errorf("%d buckets were asked for, want %d", n, tt.puts)
			}
		})
	}
}
