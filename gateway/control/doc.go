// SPDX-License-Identifier: Apache-2.0

// Package control is the gateway's administration API: JSON over HTTP/1.1 on
// a unix socket in the data directory, and over mTLS where configured.
//
// Every route is a row with its method, its path, the policy verb and
// resource it needs, its body limit and its timeout; what has no row does not
// exist. Each request is recorded before it acts. On the socket the kernel
// says who calls: root and the gateway's own user hold the verbs on
// gateway/**, and nothing else, unless the policy names them.
package control
