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
	{name: "AWS CLI", ways: []way{agent}, open: openAWSCLI},
	{name: "aws-sdk-go-v2", ways: []way{mtls, agent}, lacks: []string{"sync"}, open: openAWSGo},
	{name: "boto3", ways: []way{mtls, agent}, lacks: []string{"sync"}, open: script(servers.Python, "boto3_client.py")},
	{name: "curl", ways: []way{mtls, agent}, lacks: []string{"sync"}, open: openCurl},
	{name: "minio-go", ways: []way{mtls, agent}, lacks: []string{"sync"}, open: openMinio},
	{name: "rclone, provider AWS", ways: []way{mtls, agent}, open: openRcloneAWS},
	{name: "rclone, provider Other", ways: []way{mtls, agent}, open: openRclone},
	{name: "s5cmd", ways: []way{agent}, heavy: true, open: openS5cmd},
}
