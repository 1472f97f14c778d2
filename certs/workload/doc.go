// SPDX-License-Identifier: Apache-2.0

// Package workload gets the process's identity from any SPIFFE Workload API, such
// as a SPIRE agent's, over its socket.
//
// It uses go-spiffe's client but not its X509Source, which stops watching for good
// after one answer of Canceled or InvalidArgument, hands out certificates that have
// expired, and takes the first SVID where there are several. Here
//
//   - every end of the watch, whatever its code, starts it again on a new connection,
//     after a wait of 0.25 to 10 seconds with jitter;
//   - certificate, key and bundles of one message become one [certs.Material], whole
//     or not at all: a message that does not check leaves the last good one in force;
//   - an issuer that says for 30 seconds that this process has no identity is
//     believed, and the identity is withdrawn at once;
//   - a watch that brings nothing new by three quarters of the certificate's life is
//     given up and begun again (a stopped issuer keeps its socket open; HTTP/2
//     pings would show the same, but a gRPC server closes connections that ping it
//     more than every five minutes.);
//   - keys of JWT-SVIDs come on a watch of their own, where they are asked for: what
//     goes wrong with it never touches the identity.
package workload
