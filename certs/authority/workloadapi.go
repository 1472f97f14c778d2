// SPDX-License-Identifier: Apache-2.0

package authority

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/sealgate/sealgate/certs"
)

// FetchX509SVID streams the caller's SVIDs, each message with fresh keys.
func (s *service) FetchX509SVID(_ *workload.X509SVIDRequest, stream workload.SpiffeWorkloadAPI_FetchX509SVIDServer) error {
	ctx := stream.Context()
	same := func(a, b view) bool { return sameGrants(a.grants, b.grants) && sameRoots(a, b) }
	return s.watch(ctx, same, func(v view) (time.Time, error) {
		resp, again, err := s.x509Response(ctx, v)
		if err != nil {
			return time.Time{}, s.unavailable(err)
		}
		// Issuing awaits the audit log: what was taken away meanwhile stays here.
		now, err := s.look(ctx)
		if err != nil {
			return time.Time{}, err
		}
		if !same(v, now) {
			return s.a.cfg.Now(), nil
		}
		return again, stream.Send(resp)
	})
}

// x509Response issues one SVID for each grant. It returns when to do so again.
func (s *service) x509Response(ctx context.Context, v view) (*workload.X509SVIDResponse, time.Time, error) {
	resp := &workload.X509SVIDResponse{}
	var again time.Time
	for _, g := range v.grants {
		r := request{id: g.id, dns: g.dns, entries: g.entries, caller: v.caller}
		issued, err := s.a.issueX509(ctx, v.st, r)
		if err != nil {
			return nil, time.Time{}, err
		}
		key, err := x509.MarshalPKCS8PrivateKey(issued.key)
		if err != nil {
			return nil, time.Time{}, fmt.Errorf("encoding a private key: %w", err)
		}
		resp.Svids = append(resp.Svids, &workload.X509SVID{
			SpiffeId: g.id.String(), X509Svid: issued.cert.Raw, X509SvidKey: key, Bundle: v.st.roots, Hint: g.hint,
		})
		if again.IsZero() || issued.rotateAt.Before(again) {
			again = issued.rotateAt
		}
	}
	return resp, again, nil
}

// FetchX509Bundles streams the X.509 bundle.
func (s *service) FetchX509Bundles(_ *workload.X509BundlesRequest, stream workload.SpiffeWorkloadAPI_FetchX509BundlesServer) error {
	return s.watch(stream.Context(), sameRoots, func(v view) (time.Time, error) {
		return time.Time{}, stream.Send(&workload.X509BundlesResponse{Bundles: s.byDomain(v.st.roots)})
	})
}

// FetchJWTBundles streams the JWT bundle.
func (s *service) FetchJWTBundles(_ *workload.JWTBundlesRequest, stream workload.SpiffeWorkloadAPI_FetchJWTBundlesServer) error {
	return s.watch(stream.Context(), sameJWKS, func(v view) (time.Time, error) {
		return time.Time{}, stream.Send(&workload.JWTBundlesResponse{Bundles: s.byDomain(v.st.jwks)})
	})
}

// Only what a stream carries may cause a message on it: X.509 and JWT keys change at
// different times.
func sameRoots(a, b view) bool { return bytes.Equal(a.st.roots, b.st.roots) }
func sameJWKS(a, b view) bool  { return bytes.Equal(a.st.jwks, b.st.jwks) }

func sameEntries(a, b []Entry) bool { return slices.EqualFunc(a, b, Entry.equal) }

// byDomain files a bundle under its trust domain, as both bundle calls want it.
func (s *service) byDomain(bundle []byte) map[string][]byte {
	return map[string][]byte{s.a.cfg.TrustDomain.ID().String(): bundle}
}

// FetchJWTSVID issues one JWT-SVID for each grant, or for the one asked for.
func (s *service) FetchJWTSVID(ctx context.Context, req *workload.JWTSVIDRequest) (*workload.JWTSVIDResponse, error) {
	if err := checkAudience(req.GetAudience()); err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	v, err := s.look(ctx)
	if err != nil {
		return nil, err
	}
	wanted, err := narrow(v.grants, req.GetSpiffeId())
	if err != nil {
		return nil, err
	}
	resp := &workload.JWTSVIDResponse{}
	for _, g := range wanted {
		token, err := s.a.issueJWT(ctx, v.st, request{id: g.id, entries: g.entries, caller: v.caller}, req.GetAudience())
		if err != nil {
			return nil, s.unavailable(err)
		}
		resp.Svids = append(resp.Svids, &workload.JWTSVID{SpiffeId: g.id.String(), Svid: token, Hint: g.hint})
	}
	// As in FetchX509SVID: an entry that went meanwhile takes its token with it.
	now, err := s.look(ctx)
	if err != nil {
		return nil, err
	}
	if !sameGrants(v.grants, now.grants) {
		return nil, status.Error(codes.Unavailable, "the entries have changed; ask again")
	}
	return resp, nil
}

// narrow returns the grant of the one ID that was asked for, or all.
func narrow(all []grant, asked string) ([]grant, error) {
	if asked == "" {
		return all, nil
	}
	id, err := certs.ParseID(asked)
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	i := slices.IndexFunc(all, func(g grant) bool { return g.id == id })
	if i < 0 {
		return nil, status.Errorf(codes.PermissionDenied, "no registration entry gives this process %s", id)
	}
	return all[i : i+1], nil
}

// ValidateJWTSVID checks a token of this trust domain for the caller.
func (s *service) ValidateJWTSVID(ctx context.Context, req *workload.ValidateJWTSVIDRequest) (*workload.ValidateJWTSVIDResponse, error) {
	v, err := s.look(ctx)
	if err != nil {
		return nil, err
	}
	if err := checkAudience([]string{req.GetAudience()}); err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	id, claims, err := v.st.validateJWT(req.GetSvid(), req.GetAudience(), s.a.cfg.Now(), s.a.cfg.TrustDomain)
	if err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "the token is refused: %v", err)
	}
	fields, err := structpb.NewStruct(claims)
	if err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "the token's claims cannot be shown: %v", err)
	}
	return &workload.ValidateJWTSVIDResponse{SpiffeId: id.String(), Claims: fields}, nil
}
