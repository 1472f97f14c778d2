// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway/s3api"
)

// What would lead a command elsewhere, or have it sign as somebody else, is
// not in its environment; everything else is.
func TestChildEnvironment(t *testing.T) {
	t.Parallel()
	base := []string{
		"PATH=/bin", "AWS_SESSION_TOKEN=t", "AWS_SECURITY_TOKEN=t", "AWS_PROFILE=p", "AWS_DEFAULT_PROFILE=p", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true",
		"AWS_ACCESS_KEY_ID=AKIA", "AWS_ENDPOINT_URL_S3=https://s3.amazonaws.com", "NO_PROXY=acme.ai", "AWS_CA_BUNDLE=/ca", "EMPTY=",
	}
	env := map[string]string{"NO_PROXY": "acme.ai", "AWS_DEFAULT_REGION": "eu-1"}
	keys := s3api.Credentials{AccessKey: "SGAGA", Secret: "s"}
	got := childEnvironment(base, clientEnvironment("http://127.0.0.1:9", keys, func(n string) string { return env[n] }))
	for _, want := range []string{
		"PATH=/bin", "EMPTY=", "AWS_CA_BUNDLE=/ca", "AWS_ACCESS_KEY_ID=SGAGA", "AWS_SECRET_ACCESS_KEY=s", "AWS_ENDPOINT_URL_S3=http://127.0.0.1:9",
		"AWS_REGION=eu-1", "AWS_DEFAULT_REGION=eu-1", "NO_PROXY=acme.ai,127.0.0.1,localhost", "no_proxy=127.0.0.1,localhost", "S3_ENDPOINT=127.0.0.1:9",
		"AWS_EC2_METADATA_DISABLED=true", "MC_HOST_sealgate=http://SGAGA:s@127.0.0.1:9",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("%s is not there", want)
		}
	}
	seen := map[string]bool{}
	for _, kv := range got {
		name, _, _ := strings.Cut(kv, "=")
		if seen[name] || slices.Contains(notForClients, name) {
			t.Errorf("%s: twice, or not for a client", kv)
		}
		seen[name] = true
	}
	if len(notForClients) != 5 {
		t.Errorf("not for clients are %v", notForClients)
	}
	if noProxy("*") != "*" || noProxy("a localhost") != "a,localhost,127.0.0.1" {
		t.Errorf("%s, %s", noProxy("*"), noProxy("a localhost"))
	}
}

// The lines are for eval: no value becomes a command.
func TestEnvironmentIsQuoted(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	a := &app{stdout: &out}
	const odd = `a'; echo pwned; '$(echo pwned)` + "`echo pwned`\n\"\\"
	if err := a.printEnvironment([]variable{{"ODD", odd}}, []string{"GONE"}); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", out.String()+`printf '%s|%s' "$ODD" "$GONE"`)
	cmd.Env = []string{"GONE=x"}
	said, err := cmd.CombinedOutput()
	if err != nil || string(said) != odd+"|" {
		t.Errorf("a shell reads %q, %v", said, err)
	}
}
