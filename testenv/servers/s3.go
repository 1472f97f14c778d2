// SPDX-License-Identifier: Apache-2.0

package servers

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// Server is a running S3 server.
type Server struct {
	// Endpoint is the URL, without a slash at its end.
	Endpoint string
	// AccessKey and SecretKey are those of its owner, Region is its region.
	AccessKey, SecretKey, Region string
	// DataDir is where it keeps its objects.
	DataDir string
	// CAFile is the PEM file of the authority of its certificate, "" for HTTP.
	CAFile string

	kind kind
	addr string
	dir  string
	proc *process
}

// PID is the process of the server, whose children may do its work.
func (s *Server) PID() int { return s.proc.cmd.Process.Pid }

// kind is how one sort of server is run.
type kind struct {
	name, tool string
	health     string // path that answers when the server is ready
	env        []string
	args       func(s *Server) []string
}

const (
	accessKey = "sealgate-test"
	secretKey = "sealgate-test-secret"
	region    = "us-east-1"
)

// MinIOKey is the key that a MinIO encrypts with when a bucket asks for that.
const MinIOKey = "sealgate-test"

var minioKind = kind{
	name: "minio", tool: "github.com/minio/minio", health: "/minio/health/cluster",
	env: []string{
		"MINIO_ROOT_USER=" + accessKey, "MINIO_ROOT_PASSWORD=" + secretKey, "MINIO_REGION=" + region,
		"MINIO_BROWSER=off", "MINIO_UPDATE=off", "MINIO_CI_CD=on",
		"MINIO_KMS_SECRET_KEY=" + MinIOKey + ":" + base64.StdEncoding.EncodeToString(make([]byte, 32)),
	},
	args: func(s *Server) []string {
		return []string{"server", "--quiet", "--address", s.addr, "--certs-dir", filepath.Join(s.dir, "certs"), s.DataDir}
	},
}

var versitygwKind = kind{
	name: "versitygw", tool: "github.com/versity/versitygw/cmd/versitygw", health: "/",
	env: []string{"ROOT_ACCESS_KEY=" + accessKey, "ROOT_SECRET_KEY=" + secretKey, "VGW_REGION=" + region},
	args: func(s *Server) []string {
		return []string{"--port", s.addr, "--keep-alive", "--quiet", "posix", s.DataDir}
	},
}

// MinIO returns a running MinIO that all tests of this process share. It is
// stopped when the last of the tests that asked for it has ended.
func MinIO(tb testing.TB) *Server {
	tb.Helper()
	notShort(tb)
	return sharedMinIO.get(tb, func() *Server { return begin(tb, minioKind) })
}

// MinIOTLS returns a MinIO of its own for the test that serves HTTPS with a
// certificate of an authority of its own.
func MinIOTLS(tb testing.TB) *Server {
	tb.Helper()
	notShort(tb)
	s := prepare(tb, minioKind)
	s.Endpoint = "https://" + s.addr
	s.CAFile = filepath.Join(s.dir, "certs", "public.crt")
	writeCertificate(tb, filepath.Dir(s.CAFile))
	s.launch(tb)
	tb.Cleanup(s.end)
	return s
}

// Versitygw returns a running versitygw that all tests of this process share,
// as MinIO does.
func Versitygw(tb testing.TB) *Server {
	tb.Helper()
	notShort(tb)
	return sharedVersitygw.get(tb, func() *Server { return begin(tb, versitygwKind) })
}

// NewVersitygw returns a versitygw of its own for the test, to be killed.
func NewVersitygw(tb testing.TB) *Server {
	tb.Helper()
	notShort(tb)
	s := begin(tb, versitygwKind)
	tb.Cleanup(s.end)
	return s
}

// Kill ends the server at once, as a crash would.
func (s *Server) Kill() { s.proc.kill() }

// Restart starts the server again after Kill, with the same address and data.
func (s *Server) Restart(tb testing.TB) {
	tb.Helper()
	s.launch(tb)
}

// NewBucket makes a bucket of a new name.
func (s *Server) NewBucket(tb testing.TB) string {
	tb.Helper()
	return s.newBucket(tb, minio.MakeBucketOptions{Region: s.Region})
}

// NewLockingBucket makes a bucket of a new name in which objects can be locked.
func (s *Server) NewLockingBucket(tb testing.TB) string {
	tb.Helper()
	return s.newBucket(tb, minio.MakeBucketOptions{Region: s.Region, ObjectLocking: true})
}

func (s *Server) newBucket(tb testing.TB, o minio.MakeBucketOptions) string {
	tb.Helper()
	bucket := "test-" + digest([]byte(tb.Name()), []byte(time.Now().String()))
	if err := s.Client(tb).MakeBucket(tb.Context(), bucket, o); err != nil {
		tb.Fatalf("making bucket %s: %v", bucket, err)
	}
	return bucket
}

// Client returns a client of the server that is not ours: to look at what is
// there, or to do harm.
func (s *Server) Client(tb testing.TB) *minio.Client {
	tb.Helper()
	c, err := minio.New(s.addr, &minio.Options{
		Creds:     credentials.NewStaticV4(s.AccessKey, s.SecretKey, ""),
		Region:    s.Region,
		Secure:    s.CAFile != "",
		Transport: s.transport(tb),
	})
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func (s *Server) transport(tb testing.TB) *http.Transport {
	tb.Helper()
	if s.CAFile == "" {
		return &http.Transport{}
	}
	text, err := os.ReadFile(s.CAFile)
	pool := x509.NewCertPool()
	if err != nil || !pool.AppendCertsFromPEM(text) {
		tb.Fatalf("reading %s: %v", s.CAFile, err)
	}
	return &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
}

// shared is a server that is used by several tests, counted.
type shared struct {
	mu     sync.Mutex // guards both, and holds others off while it starts
	server *Server
	users  int
}

var sharedMinIO, sharedVersitygw shared

func (sh *shared) get(tb testing.TB, create func() *Server) *Server {
	tb.Helper()
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.users == 0 {
		sh.server = create()
	}
	sh.users++
	tb.Cleanup(sh.release)
	return sh.server
}

func (sh *shared) release() {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.users--; sh.users == 0 {
		sh.server.end()
	}
}

// begin makes and starts a server that serves plain HTTP.
func begin(tb testing.TB, k kind) *Server {
	tb.Helper()
	s := prepare(tb, k)
	s.launch(tb)
	return s
}

// prepare makes the folders and finds an address.
func prepare(tb testing.TB, k kind) *Server {
	tb.Helper()
	dir, err := os.MkdirTemp("", "sealgate-"+k.name)
	addr, err2 := freePort()
	data := filepath.Join(dir, "data")
	if err := errors.Join(err, err2, os.Mkdir(data, 0o700), os.Mkdir(filepath.Join(dir, "certs"), 0o700)); err != nil {
		tb.Fatal(err)
	}
	return &Server{
		Endpoint: "http://" + addr, AccessKey: accessKey, SecretKey: secretKey, Region: region,
		DataDir: data, kind: k, addr: addr, dir: dir,
	}
}

// launch starts the process and waits until it is ready.
func (s *Server) launch(tb testing.TB) {
	tb.Helper()
	s.launchBinary(tb, built(tb, s.kind.name, s.kind.tool), s.kind.args(s)...)
}

func (s *Server) launchBinary(tb testing.TB, binary string, args ...string) {
	tb.Helper()
	p, err := start(s.dir, binary, s.kind.env, args...)
	if err == nil {
		client := &http.Client{Transport: s.transport(tb), Timeout: 5 * time.Second}
		err = p.await(client, s.Endpoint+s.kind.health)
		client.CloseIdleConnections()
	}
	if err != nil {
		tb.Fatalf("starting %s: %v", s.kind.name, err)
	}
	s.proc = p
}

// end stops the server and removes what it kept.
func (s *Server) end() {
	s.proc.terminate()
	_ = os.RemoveAll(s.dir) // temporary in any case
}
