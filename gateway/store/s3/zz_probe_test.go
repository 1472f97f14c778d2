package s3_test

import (
	"sync"
	"testing"

	"github.com/sealgate/sealgate/gateway/store"
	"github.com/sealgate/sealgate/testenv/servers"
)

func TestZZ(t *testing.T) {
	s := open(t, servers.Versitygw(t))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 5 {
				c, err := store.Probe(t.Context(), s)
				t.Logf("%+v %v", c, err)
			}
		})
	}
	wg.Wait()
}
