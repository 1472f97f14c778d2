// SPDX-License-Identifier: Apache-2.0

package workload_test

import (
	"crypto/ecdsa"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	pb "github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/certs/certstest"
	"github.com/sealgate/sealgate/certs/workload"
)

// tokenIssuer is an issuer that serves the keys of tokens as a test says.
type tokenIssuer struct {
	*issuer
	keys chan *pb.JWTBundlesResponse // each is sent; nil ends the stream with an error
}

func newTokenIssuer(t *testing.T, script ...answer) *tokenIssuer {
	t.Helper()
	ti := &tokenIssuer{issuer: unstarted(t, script...), keys: make(chan *pb.JWTBundlesResponse, 10)}
	ti.startAs(t, ti)
	return ti
}

// FetchJWTBundles sends what the test puts into keys.
func (i *tokenIssuer) FetchJWTBundles(_ *pb.JWTBundlesRequest, stream grpc.ServerStreamingServer[pb.JWTBundlesResponse]) error {
	for {
		select {
		case <-stream.Context().Done():
			return stream.Context().Err()
		case msg := <-i.keys:
			if msg == nil {
				return status.Error(codes.Unavailable, "as the test wants")
			}
			if err := stream.Send(msg); err != nil {
				return err
			}
		}
	}
}

// tokenBundle is a message with one key for each domain.
func tokenBundle(t *testing.T, kid string, key *ecdsa.PrivateKey, domains ...string) *pb.JWTBundlesResponse {
	t.Helper()
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: kid, Use: "jwt-svid"}}})
	if err != nil {
		t.Fatal(err)
	}
	msg := &pb.JWTBundlesResponse{Bundles: map[string][]byte{}}
	for _, d := range domains {
		msg.Bundles["spiffe://"+d] = set
	}
	return msg
}

// hasKey says whether a domain has exactly the key with this id; kid "" is
// none at all.
func hasKey(domain, kid string) func(*certs.Material, error) bool {
	td := certs.MustParseTrustDomain(domain)
	return func(m *certs.Material, err error) bool {
		if err != nil {
			return false
		}
		b := m.Bundles[td]
		if kid == "" {
			return b == nil || len(b.JWT) == 0
		}
		return b != nil && len(b.JWT) == 1 && b.JWT[kid] != nil
	}
}

func TestKeysOfTokens(t *testing.T) {
	t.Parallel()
	ca := certstest.NewCA(t, "acme.ai")
	svid := ca.SVID(t, "/gateway", certstest.Options{})
	i := newTokenIssuer(t, gives(t, svid))
	key := certstest.P256(t)
	s, _ := run(t, workload.Config{Socket: i.socket(), Tokens: true})
	await(t, s, "the identity, without keys", hasKey("acme.ai", ""))

	i.keys <- tokenBundle(t, "one", key, "acme.ai", "partner.example")
	m := await(t, s, "the first keys", hasKey("acme.ai", "one"))
	if !m.Chain[0].Equal(svid.Chain[0]) || len(m.Bundles[ca.TrustDomain].X509) != 1 {
		t.Error("the keys came without the identity and its roots")
	}
	if !key.PublicKey.Equal(m.Bundles[ca.TrustDomain].JWT["one"]) {
		t.Error("the key is another one")
	}
	await(t, s, "a domain that issues tokens alone", hasKey("partner.example", "one"))

	i.keys <- tokenBundle(t, "two", key, "acme.ai")
	await(t, s, "the next keys", hasKey("acme.ai", "two"))
	await(t, s, "the end of the domain that is gone", hasKey("partner.example", ""))

	i.keys <- nil // the stream ends; what was had stays, and the next watch goes on
	i.keys <- tokenBundle(t, "three", key, "acme.ai")
	await(t, s, "keys of the next watch", hasKey("acme.ai", "three"))
}

// An issuer without tokens says so for ever. The identity must not suffer, and
// a new certificate must keep the keys that were had.
func TestKeysOutliveTheirWatch(t *testing.T) {
	t.Parallel()
	ca := certstest.NewCA(t, "acme.ai")
	first, second := ca.SVID(t, "/gateway", certstest.Options{}), ca.SVID(t, "/gateway", certstest.Options{})
	t.Run("none served", func(t *testing.T) {
		t.Parallel()
		i := newIssuer(t, gives(t, first))
		s, reports := run(t, workload.Config{Socket: i.socket(), Tokens: true})
		await(t, s, "the identity", holds(first))
		deadline := time.After(30 * time.Second)
		for {
			select {
			case err := <-reports:
				if err != nil && strings.Contains(err.Error(), "keys of JWT-SVIDs") {
					return
				}
			case <-deadline:
				t.Fatal("nobody was told that there are no keys")
			}
		}
	})
	t.Run("new certificate", func(t *testing.T) {
		t.Parallel()
		next := make(chan struct{})
		i := newTokenIssuer(t, givesUntil(t, next, first), gives(t, second))
		key := certstest.P256(t)
		s, _ := run(t, workload.Config{Socket: i.socket(), Tokens: true})
		i.keys <- tokenBundle(t, "one", key, "acme.ai")
		await(t, s, "certificate and key", hasKey("acme.ai", "one"))
		close(next)
		m := await(t, s, "the new certificate", holds(second))
		if !hasKey("acme.ai", "one")(m, nil) {
			t.Error("the new certificate came without the keys")
		}
	})
	t.Run("not asked for", func(t *testing.T) {
		t.Parallel()
		i := newTokenIssuer(t, gives(t, first))
		key := certstest.P256(t)
		i.keys <- tokenBundle(t, "one", key, "acme.ai")
		s, _ := run(t, workload.Config{Socket: i.socket()})
		m := await(t, s, "the identity", holds(first))
		if !hasKey("acme.ai", "")(m, nil) || len(i.keys) != 1 {
			t.Error("keys were fetched that nobody asked for")
		}
	})
}

// givesUntil sends one message and ends the stream when until is closed.
func givesUntil(t *testing.T, until <-chan struct{}, m *certs.Material) answer {
	t.Helper()
	msg := message(t, m)
	return func(stream grpc.ServerStreamingServer[pb.X509SVIDResponse]) error {
		if err := stream.Send(msg); err != nil {
			return err
		}
		select {
		case <-until:
			return status.Error(codes.Unavailable, "as the test wants")
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}
