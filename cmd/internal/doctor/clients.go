// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
)

// client is what is known of one S3 client.
type client struct {
	name     string
	endpoint string // how it is told the endpoint
	keys     string // how it is told its keys
	ca       string // how it is told a root; "" when it cannot be
	mtls     string // how it shows a client certificate; "" when it cannot
	signs    bool   // it refuses to send unsigned requests
	read     func(*look) settings
	more     func(*look, settings)
	// snippet is what works, for an object; w is the way in.
	snippet func(l *look, w way, bucket, key string) string
}

const (
	awsEndpoint = "AWS_ENDPOINT_URL_S3"
	awsKeys     = "AWS_ACCESS_KEY_ID"
	awsCA       = "AWS_CA_BUNDLE"
)

func readAWS(l *look) settings { return l.aws() }

// clients are those that are known, by name.
var clients = map[string]client{
	"boto3":            {name: "boto3", endpoint: awsEndpoint, keys: awsKeys, ca: awsCA, mtls: "Config(client_cert=...)", signs: true, read: readAWS, snippet: boto3Snippet},
	"aws":              {name: "aws", endpoint: awsEndpoint, keys: awsKeys, ca: awsCA, signs: true, read: readAWS, snippet: awsSnippet},
	"aws-sdk-go-v2":    {name: "aws-sdk-go-v2", endpoint: awsEndpoint, keys: awsKeys, ca: awsCA, mtls: "Options.HTTPClient", signs: true, read: readAWS, snippet: awsGoSnippet},
	"s3fs":             {name: "s3fs", endpoint: awsEndpoint, keys: awsKeys, ca: awsCA, mtls: "config_kwargs={'client_cert': ...}", signs: true, read: readAWS, snippet: s3fsSnippet},
	"datasets":         {name: "datasets", endpoint: awsEndpoint, keys: awsKeys, ca: awsCA, mtls: "storage_options={'config_kwargs': {'client_cert': ...}}", signs: true, read: readAWS, snippet: datasetsSnippet},
	"dvc":              {name: "dvc", endpoint: awsEndpoint, keys: awsKeys, ca: awsCA, signs: true, read: readDVC, more: checkDVC, snippet: dvcSnippet},
	"mlflow":           {name: "mlflow", endpoint: "MLFLOW_S3_ENDPOINT_URL", keys: awsKeys, ca: awsCA, signs: true, read: readMLflow, more: checkMLflow, snippet: mlflowSnippet},
	"pyarrow":          {name: "pyarrow", endpoint: "AWS_ENDPOINT_URL", keys: awsKeys, ca: "SSL_CERT_FILE", signs: true, read: readArrow, snippet: arrowSnippet},
	"s5cmd":            {name: "s5cmd", endpoint: "S3_ENDPOINT_URL", keys: awsKeys, ca: awsCA, signs: true, read: readS5cmd, snippet: s5cmdSnippet},
	"s3torchconnector": {name: "s3torchconnector", endpoint: "AWS_ENDPOINT_URL", keys: awsKeys, signs: true, read: readTorch, snippet: torchSnippet},
	"minio-go":         {name: "minio-go", endpoint: awsEndpoint, keys: awsKeys, ca: "SSL_CERT_FILE", mtls: "Options.Transport", read: readArrow, snippet: minioSnippet},
	"rclone":           {name: "rclone", endpoint: "RCLONE_CONFIG_SEALGATE_ENDPOINT", keys: awsKeys, ca: "RCLONE_CA_CERT", mtls: "--client-cert", signs: true, read: readRclone, more: checkRclone, snippet: rcloneSnippet},
	"curl":             {name: "curl", endpoint: awsEndpoint, keys: awsKeys, ca: "CURL_CA_BUNDLE", mtls: "--cert", read: readCurl, snippet: curlSnippet},
}

// checkClient examines one client.
func (l *look) checkClient(ctx context.Context, c client) {
	s := c.read(l)
	l.checkAWS(s)
	w := l.checkEndpoint(ctx, c, s)
	l.checkKeys(ctx, c, s, w)
	if c.more != nil {
		c.more(l, s)
	}
	if len(l.report.Findings) == 0 && s.endpoint.given() {
		l.right("%s goes to %s (%s)", c.name, s.endpoint.value, s.endpoint.from)
	}
	bucket, key := "BUCKET", "KEY"
	if l.Probe != "" {
		bucket, key = splitPath(l.Probe)
	}
	if w == wayMTLS && c.mtls == "" {
		w = wayAgent
	}
	l.report.Snippet = c.snippet(l, w, bucket, key)
}
