// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/url"
	"slices"
	"strings"

	"github.com/sealgate/sealgate/gateway/s3api"
)

// variable is one variable of a client's environment.
type variable struct{ name, value string }

// defaultRegion is what requests are signed for where nobody said: it means
// nothing to the agent, and clients refuse to go without.
const defaultRegion = "us-east-1"

// clientEnvironment is what S3 clients read of their environment, each its
// own. What a user has set of regions stays.
func clientEnvironment(endpoint string, keys s3api.Credentials, getenv func(string) string) []variable {
	region := getenv("AWS_REGION")
	if region == "" {
		region = getenv("AWS_DEFAULT_REGION")
	}
	if region == "" {
		region = defaultRegion
	}
	host := strings.TrimPrefix(endpoint, "http://")
	mc := url.URL{Scheme: "http", Host: host, User: url.UserPassword(keys.AccessKey, string(keys.Secret))}
	return []variable{
		{"AWS_ACCESS_KEY_ID", keys.AccessKey},
		{"AWS_SECRET_ACCESS_KEY", string(keys.Secret)},
		{"AWS_ENDPOINT_URL", endpoint},
		{"AWS_ENDPOINT_URL_S3", endpoint},
		{"AWS_REGION", region},
		{"AWS_DEFAULT_REGION", region},
		{"AWS_EC2_METADATA_DISABLED", "true"},
		{"AWS_ALLOW_HTTP", "true"},                          // object_store: polars, delta-rs, lance
		{"MLFLOW_S3_ENDPOINT_URL", endpoint},                // MLflow
		{"S3_ENDPOINT_URL", endpoint},                       // s5cmd, Mosaic Streaming
		{"FEAST_S3_ENDPOINT_URL", endpoint},                 // Feast
		{"S3_ENDPOINT", host},                               // TensorFlow
		{"S3_USE_HTTPS", "0"},                               // TensorFlow
		{"RUNAI_STREAMER_S3_USE_VIRTUAL_ADDRESSING", "0"},   // vLLM with the Run:ai streamer
		{"RCLONE_CONFIG_SEALGATE_TYPE", "s3"},               // rclone ... sealgate:BUCKET
		{"RCLONE_CONFIG_SEALGATE_PROVIDER", "Other"},        //
		{"RCLONE_CONFIG_SEALGATE_ENV_AUTH", "true"},         //
		{"RCLONE_CONFIG_SEALGATE_ENDPOINT", endpoint},       //
		{"RCLONE_CONFIG_SEALGATE_FORCE_PATH_STYLE", "true"}, //
		{"MC_HOST_sealgate", mc.String()},                   // mc ... sealgate/BUCKET
		{"NO_PROXY", noProxy(getenv("NO_PROXY"))},           // the agent is on this machine
		{"no_proxy", noProxy(getenv("no_proxy"))},           //
	}
}

// notForClients are variables that would lead a client elsewhere, or have it
// sign as somebody else.
var notForClients = []string{"AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"}

// noProxy adds the loopback to a list of hosts.
func noProxy(list string) string {
	all := strings.FieldsFunc(list, func(c rune) bool { return c == ',' || c == ' ' })
	if slices.Contains(all, "*") {
		return list
	}
	for _, host := range []string{"127.0.0.1", "localhost"} {
		if !slices.Contains(all, host) {
			all = append(all, host)
		}
	}
	return strings.Join(all, ",")
}

// childEnvironment is the environment of a command whose S3 clients are to use
// the agent: base with set in it and without notForClients.
func childEnvironment(base []string, set []variable) []string {
	drop := slices.Clone(notForClients)
	for _, v := range set {
		drop = append(drop, v.name)
	}
	var out []string
	for _, kv := range base {
		name, _, _ := strings.Cut(kv, "=")
		if !slices.Contains(drop, name) {
			out = append(out, kv)
		}
	}
	for _, v := range set {
		out = append(out, v.name+"="+v.value)
	}
	return out
}
