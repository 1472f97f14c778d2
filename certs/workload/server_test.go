// SPDX-License-Identifier: Apache-2.0

package workload_test

import (
	"crypto/x509"
	"errors"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"

	pb "github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/sealgate/sealgate/certs"
)

// answer is what an issuer does with one watch.
type answer func(stream grpc.ServerStreamingServer[pb.X509SVIDResponse]) error

// issuer is a Workload API that answers by a script, made with go-spiffe's stubs.
type issuer struct {
	pb.UnimplementedSpiffeWorkloadAPIServer
	path   string
	server *grpc.Server

	mu      sync.Mutex // guards both below
	script  []answer   // one a watch; the last one for all that follow
	watches int
}

func newIssuer(t *testing.T, script ...answer) *issuer {
	t.Helper()
	i := unstarted(t, script...)
	i.start(t)
	return i
}

// unstarted is an issuer that nobody can reach yet.
func unstarted(t *testing.T, script ...answer) *issuer {
	t.Helper()
	dir, err := os.MkdirTemp("", "wl")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return &issuer{path: filepath.Join(dir, "s"), script: script}
}

func (i *issuer) start(t *testing.T) {
	t.Helper()
	i.startAs(t, i)
}

// startAs serves what impl does.
func (i *issuer) startAs(t *testing.T, impl pb.SpiffeWorkloadAPIServer) {
	t.Helper()
	l, err := net.Listen("unix", i.path)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	pb.RegisterSpiffeWorkloadAPIServer(server, impl)
	i.server = server
	t.Cleanup(server.Stop)
	go func() { _ = server.Serve(l) }() // its error is that it was stopped
}

func (i *issuer) stop()          { i.server.Stop() }
func (i *issuer) socket() string { return "unix://" + i.path }

func (i *issuer) seen() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.watches
}

// FetchX509SVID plays the next line of the script.
func (i *issuer) FetchX509SVID(_ *pb.X509SVIDRequest, stream grpc.ServerStreamingServer[pb.X509SVIDResponse]) error {
	md, _ := metadata.FromIncomingContext(stream.Context())
	if got := md.Get("workload.spiffe.io"); len(got) != 1 || got[0] != "true" {
		return status.Error(codes.InvalidArgument, "security header missing")
	}
	i.mu.Lock()
	play := i.script[0]
	if len(i.script) > 1 {
		i.script = i.script[1:]
	}
	i.watches++
	i.mu.Unlock()
	return play(stream)
}

// gives sends materials as SVIDs of one message and keeps the stream open.
func gives(t *testing.T, materials ...*certs.Material) answer {
	t.Helper()
	msg := message(t, materials...)
	return func(stream grpc.ServerStreamingServer[pb.X509SVIDResponse]) error {
		if err := stream.Send(msg); err != nil {
			return err
		}
		return hangs(stream)
	}
}

// givesThen sends one message and ends the stream with err.
func givesThen(t *testing.T, err error, materials ...*certs.Material) answer {
	t.Helper()
	msg := message(t, materials...)
	return func(stream grpc.ServerStreamingServer[pb.X509SVIDResponse]) error {
		return errors.Join(stream.Send(msg), err)
	}
}

func fails(code codes.Code) answer {
	return func(grpc.ServerStreamingServer[pb.X509SVIDResponse]) error {
		return status.Error(code, "as the test wants")
	}
}

func hangs(stream grpc.ServerStreamingServer[pb.X509SVIDResponse]) error {
	<-stream.Context().Done()
	return stream.Context().Err()
}

func message(t *testing.T, materials ...*certs.Material) *pb.X509SVIDResponse {
	t.Helper()
	msg := &pb.X509SVIDResponse{FederatedBundles: map[string][]byte{}}
	for _, m := range materials {
		key, err := x509.MarshalPKCS8PrivateKey(m.Key)
		if err != nil {
			t.Fatal(err)
		}
		msg.Svids = append(msg.Svids, &pb.X509SVID{
			SpiffeId: m.ID.String(), X509Svid: der(m.Chain), X509SvidKey: key,
			Bundle: der(m.Bundles[m.ID.TrustDomain()].X509),
		})
		for td, b := range m.Bundles {
			if td != m.ID.TrustDomain() {
				msg.FederatedBundles[td.ID().String()] = der(b.X509)
			}
		}
	}
	return msg
}

func der(all []*x509.Certificate) []byte {
	var out []byte
	for _, c := range all {
		out = append(out, c.Raw...)
	}
	return out
}
