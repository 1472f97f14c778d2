// SPDX-License-Identifier: Apache-2.0

package clients

import (
	"slices"

	"github.com/sealgate/sealgate/testenv/servers"
)

// clients are all that are in the table of S3.md.
var clients = slices.Concat(common, libraries)

// common are the clients of every day.
var common = []client{
	{name: "boto3", ways: []way{mtls, agent}, lacks: []string{"sync"}, open: script(servers.Python, "boto3_client.py")},
}
