// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/sealgate/sealgate/certs"
)

// clientFlags say where the gateway is and who calls it.
type clientFlags struct {
	endpoint, control, cert, key, bundle, gatewayID string
}

// defaultEndpoint is where a gateway on embedded defaults listens.
const defaultEndpoint = "https://localhost:9443"

func (c *clientFlags) register(f *pflag.FlagSet) {
	f.StringVar(&c.endpoint, "endpoint", defaultEndpoint, "S3 `URL` of the gateway [$SEALGATE_ENDPOINT]")
	f.StringVar(&c.control, "control", "", "control `socket or address`; default run/control.sock of the data directory [$SEALGATE_CONTROL]")
	f.StringVar(&c.cert, "cert", "", "client certificate `file` (PEM) [$SEALGATE_CERT]; without one, the Workload API at\n$SPIFFE_ENDPOINT_SOCKET or in the data directory says who this is")
	f.StringVar(&c.key, "key", "", "private key `file` of --cert (PEM) [$SEALGATE_KEY]")
	f.StringVar(&c.bundle, "bundle", "", "trust bundle `file` that the gateway is checked against (PEM) [$SEALGATE_BUNDLE]")
	f.StringVar(&c.gatewayID, "gateway-id", "", "SPIFFE `ID` the gateway must present; default spiffe://<own trust domain>/gateway [$SEALGATE_GATEWAY_ID]")
}

// identity gives who this process is towards the gateway.
func (a *app) identity(ctx context.Context) (certs.Source, error) {
	c := a.client
	if c.cert != "" || c.key != "" || c.bundle != "" {
		if c.cert == "" || c.key == "" || c.bundle == "" {
			return nil, usage("give all three", "--cert, --key and --bundle belong together")
		}
		return identityFromFiles(ctx, c.cert, c.key, c.bundle)
	}
	socket, err := a.workloadSocket()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	m, err := fetchMaterial(ctx, socket)
	if err != nil {
		return nil, err
	}
	return certs.Static(m)
}

// workloadSocket gives the address of the Workload API in force.
func (a *app) workloadSocket() (string, error) {
	if s := a.getenv("SPIFFE_ENDPOINT_SOCKET"); s != "" {
		return s, nil
	}
	data, err := a.dataDir()
	if err != nil {
		return "", err
	}
	return "unix://" + filepath.Join(data, "run", "workload.sock"), nil
}

// gatewayID gives the SPIFFE ID that the gateway must present.
func (a *app) gatewayID(source certs.Source) (certs.ID, error) {
	if a.client.gatewayID != "" {
		id, err := certs.ParseID(a.client.gatewayID)
		if err != nil {
			return certs.ID{}, usage("", "--gateway-id: %w", err)
		}
		return id, nil
	}
	m, err := source.Current()
	if err != nil {
		return certs.ID{}, err
	}
	return m.ID.TrustDomain().Join("/gateway")
}

// s3Client is an HTTP client whose connections prove both ends.
func (a *app) s3Client(source certs.Source) (*http.Client, error) {
	if !strings.HasPrefix(a.client.endpoint, "https://") {
		return nil, usage("write https://HOST:PORT", "--endpoint %q is not an https URL", a.client.endpoint)
	}
	id, err := a.gatewayID(source)
	if err != nil {
		return nil, err
	}
	dial := &tls.Dialer{Config: certs.ClientTLS(source, id)}
	return &http.Client{
		Transport: &http.Transport{
			DialTLSContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				return dialTLS(ctx, dial, network, addr)
			},
			ResponseHeaderTimeout: 2 * time.Minute, ExpectContinueTimeout: 2 * time.Second, MaxIdleConnsPerHost: 8, DisableCompression: true,
			ReadBufferSize: 256 << 10, WriteBufferSize: 256 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// notReached says why a request had no answer: nobody is there, or one of the
// two does not take the other's certificate.
func notReached(doing, endpoint string, err error) error {
	if r, ok := errors.AsType[*certs.RejectError](err); ok {
		return &exitError{Code: exitDenied, Err: fmt.Errorf("%s: the gateway at %s: %w", doing, endpoint, r), Hint: "check --endpoint, --bundle and --gateway-id", Where: endpoint}
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" { // a TLS alert
		return &exitError{
			Code: exitDenied, Err: fmt.Errorf("%s: the gateway at %s does not take this certificate: %w", doing, endpoint, op.Err),
			Hint: "has it expired, or is it of another trust domain?", Where: endpoint,
		}
	}
	return &exitError{Code: exitUnavailable, Err: fmt.Errorf("%s: %w", doing, rootCause(err)), Hint: "is the gateway up at " + endpoint + "?", Where: endpoint}
}

// dialTLS waits for a gateway that is just starting: for at most patience, and
// only while nobody listens.
func dialTLS(ctx context.Context, d *tls.Dialer, network, addr string) (net.Conn, error) {
	until := time.Now().Add(patience)
	for {
		c, err := d.DialContext(ctx, network, addr)
		var op *net.OpError
		refused := errors.As(err, &op) && op.Op == "dial"
		if err == nil || !refused || time.Now().After(until) || ctx.Err() != nil {
			return c, err
		}
		time.Sleep(50 * time.Millisecond)
	}
}
