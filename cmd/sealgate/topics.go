// SPDX-License-Identifier: Apache-2.0

package main

import "github.com/spf13/cobra"

func helpTopics() []*cobra.Command {
	return []*cobra.Command{
		{Use: "exit-codes", Short: "What each exit code means", Long: `Exit codes of sealgate:

    0  done
    1  failed
    2  usage, or a file that does not parse or check
    3  denied by policy or identity
    4  integrity: a tampered object, a wrong proof or checksum
    5  unavailable, try again: KMS, database, store, gateway
    6  the check ran and found something, such as failed rows of "policy test"
   74  "serve" only: the audit log cannot be trusted
  130  interrupted`},
		{Use: "env", Short: "Environment variables", Long: `A flag beats its variable, a variable its default. No variable holds a secret,
and none turns a check off.

  SEALGATE_CONFIG           config file
  SEALGATE_DATA             data directory
  SEALGATE_ENDPOINT         S3 endpoint of the gateway, such as https://localhost:9443
  SEALGATE_CONTROL          control socket or address of the gateway
  SEALGATE_CERT             client certificate (PEM), with SEALGATE_KEY and SEALGATE_BUNDLE
  SEALGATE_KEY              private key of that certificate (PEM)
  SEALGATE_BUNDLE           trust bundle that the gateway is checked against (PEM)
  SEALGATE_GATEWAY_ID       SPIFFE ID that the gateway must present
  SEALGATE_PASSPHRASE_FILE  file with the keystore's passphrase
  SEALGATE_LOG_LEVEL        debug, info, warn or error
  SEALGATE_JSON             true: print JSON
  SEALGATE_NO_PROGRESS      set: no progress bar
  SPIFFE_ENDPOINT_SOCKET    Workload API that gives this process its SVID
  STATE_DIRECTORY           data directory under systemd`},
		{Use: "errors", Short: "How errors are written", Long: `An error is one line on stderr:

    sealgate: DOING: WHAT IS WRONG; WHAT TO DO

A fault in a file is one line each, all faults at once, sorted, then a count:

    FILE:LINE:COL: error E011: TEXT; HINT
    FILE:LINE:COL: warning W104: TEXT

  E0xx  syntax and names     E2xx, W1xx, W3xx  policy     E5xx  config     W060  not enforced

With --json an error is {"error":{"code","message","hint","request_id"}} on stderr,
and has "where" besides when one object, file or address is at fault.`},
	}
}
