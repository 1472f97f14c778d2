// SPDX-License-Identifier: Apache-2.0

package doctor_test

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/cmd/internal/doctor"
)

// about is what is known of a client here, apart from the code under test.
type about struct {
	endpoint string // its variable for the endpoint
	ca       string // its variable for roots; "" has none
	mtls     bool   // it can show a certificate
	unsigned bool   // it can do without keys then
}

var known = map[string]about{
	"aws":              {"AWS_ENDPOINT_URL_S3", "AWS_CA_BUNDLE", false, false},
	"aws-sdk-go-v2":    {"AWS_ENDPOINT_URL_S3", "AWS_CA_BUNDLE", true, false},
	"boto3":            {"AWS_ENDPOINT_URL_S3", "AWS_CA_BUNDLE", true, false},
	"curl":             {"AWS_ENDPOINT_URL_S3", "CURL_CA_BUNDLE", true, true},
	"datasets":         {"AWS_ENDPOINT_URL_S3", "AWS_CA_BUNDLE", true, false},
	"dvc":              {"AWS_ENDPOINT_URL_S3", "AWS_CA_BUNDLE", false, false},
	"minio-go":         {"AWS_ENDPOINT_URL_S3", "SSL_CERT_FILE", true, true},
	"mlflow":           {"MLFLOW_S3_ENDPOINT_URL", "AWS_CA_BUNDLE", false, false},
	"pyarrow":          {"AWS_ENDPOINT_URL", "SSL_CERT_FILE", false, false},
	"rclone":           {"RCLONE_CONFIG_SEALGATE_ENDPOINT", "RCLONE_CA_CERT", true, false},
	"s3fs":             {"AWS_ENDPOINT_URL_S3", "AWS_CA_BUNDLE", true, false},
	"s3torchconnector": {"AWS_ENDPOINT_URL", "", false, false},
	"s5cmd":            {"S3_ENDPOINT_URL", "AWS_CA_BUNDLE", false, false},
}

// What every client has to have, for each of them.
func TestEveryClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var names []string
	for name := range known {
		names = append(names, name)
	}
	slices.Sort(names)
	if got := doctor.Clients(); !slices.Equal(got, names) {
		t.Fatalf("known are %v, want %v", got, names)
	}
	for name, k := range known {
		agent := w.viaAgent()
		r := wants(t, name, w.config(name, agent))
		if !slices.ContainsFunc(r.Seen, func(s string) bool { return strings.HasPrefix(s, name+" goes to "+w.agent+" (") }) {
			t.Errorf("%s: where it goes is not said: %q", name, r.Seen)
		}
		w.snippets(t, name, k)
		wants(t, name+" without anything", w.config(name, nil), missing(name, k)...)
		bare := with(agent, "AWS_ACCESS_KEY_ID", "", "AWS_SECRET_ACCESS_KEY", "")
		wants(t, name+" without keys", w.config(name, bare), "AWS_ACCESS_KEY_ID: it is not set: "+name+" has nothing to sign with; eval ")
		wants(t, name+" with half a key", w.config(name, with(agent, "AWS_SECRET_ACCESS_KEY", "")), "AWS_ACCESS_KEY_ID: an access key without its secret; ")
		wants(t, name+" with Amazon's key", w.config(name, with(agent, "AWS_ACCESS_KEY_ID", "AKIA1")), "AWS_ACCESS_KEY_ID: the key is not an agent's; ")
		w.direct(t, name, k)
	}
}

// missing is what is found where nothing is set: a client that reads AWS's
// endpoint does not read rclone's.
func missing(name string, k about) []string {
	return []string{
		k.endpoint + ": it is not set: " + name + " would talk to Amazon; eval ",
	}
}

// snippets are what works: through the agent, and with a certificate where the
// client can show one.
func (w *world) snippets(t *testing.T, name string, k about) {
	t.Helper()
	c := w.config(name, w.viaAgent())
	c.Probe = "models/k.bin"
	if s := wants(t, name, c).Snippet; !strings.Contains(s, "sealgate-agent env") || !strings.Contains(s, "models") || !strings.Contains(s, "k.bin") {
		t.Errorf("%s: the snippet is %s", name, s)
	}
	env := with(w.toward(w.gateway), "AWS_ACCESS_KEY_ID", "any", caOf(k), w.bundle)
	c = w.config(name, env)
	if k.mtls {
		if s := wants(t, name+" with a certificate", c).Snippet; !strings.Contains(s, "sealgate certs fetch --out me") {
			t.Errorf("%s: the snippet for a certificate is %s", name, s)
		}
	}
}

// Python crashes where boto3 shows a certificate from several threads: what is
// printed for it transfers in one, and says why. Through the agent all threads
// are wanted.
func TestBoto3InOneThread(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const safe, why = "TransferConfig(use_threads=False)", "Python crashes"
	direct := with(w.toward(w.gateway), "AWS_ACCESS_KEY_ID", "any", "AWS_CA_BUNDLE", w.bundle)
	if s := wants(t, "with a certificate", w.config("boto3", direct)).Snippet; !strings.Contains(s, safe) || !strings.Contains(s, why) {
		t.Errorf("the snippet for a certificate is %s", s)
	}
	for name, env := range map[string]map[string]string{"agent": w.viaAgent(), "session keys": with(w.toward(w.sessions), "AWS_ACCESS_KEY_ID", "SGSAX", "AWS_CA_BUNDLE", w.bundle)} {
		if s := doctor.Run(t.Context(), w.config("boto3", env)).Snippet; s == "" || strings.Contains(s, "use_threads") {
			t.Errorf("%s: the snippet is %s", name, s)
		}
	}
}

// caOf gives a variable for roots even where there is none, which then must not
// count.
func caOf(k about) string {
	if k.ca == "" {
		return "AWS_CA_BUNDLE"
	}
	return k.ca
}

// direct looks at a client that goes to the gateway itself.
func (w *world) direct(t *testing.T, name string, k about) {
	t.Helper()
	where := endpointFrom(name, k)
	host := strings.TrimPrefix(w.gateway, "https://")
	trusted := with(w.toward(w.gateway), caOf(k), w.bundle, "AWS_ACCESS_KEY_ID", "any")
	var want []string
	if k.ca == "" {
		want = append(want, where+": the certificate of "+host+" does not verify with the system's roots: ")
	}
	if !k.mtls {
		want = append(want, where+": "+host+" demands a client certificate, and "+name+" cannot show one; ")
	}
	wants(t, name+" at the gateway", w.config(name, trusted), want...)

	unsigned := with(trusted, "AWS_ACCESS_KEY_ID", "", "AWS_SECRET_ACCESS_KEY", "")
	if k.mtls && !k.unsigned {
		want = append(want, "AWS_ACCESS_KEY_ID: it is not set, and "+name+" refuses to send unsigned requests; ")
	}
	wants(t, name+" at the gateway, unsigned", w.config(name, unsigned), want...)
	if k.ca == "" {
		return
	}
	// A root under another name than the client reads is none.
	for _, other := range []string{"AWS_CA_BUNDLE", "CURL_CA_BUNDLE", "RCLONE_CA_CERT"} {
		if other == k.ca || name == "rclone" && other == "AWS_CA_BUNDLE" {
			continue
		}
		r := doctor.Run(t.Context(), w.config(name, with(w.toward(w.sessions), other, w.bundle, "AWS_ACCESS_KEY_ID", "SGSA1", "AWS_SESSION_TOKEN", "t")))
		if len(r.Findings) != 1 || !strings.Contains(r.Findings[0].What, "does not verify with the system's roots") || !strings.Contains(r.Findings[0].Fix, "set "+k.ca+" to") {
			t.Errorf("%s with the root in %s: %q", name, other, r.Findings)
		}
	}
	w.withSessions(t, name, k)
}

// endpointFrom is what a finding about the endpoint calls its place.
func endpointFrom(name string, k about) string {
	switch name {
	case "pyarrow", "s3torchconnector":
		return "AWS_ENDPOINT_URL_S3" // of the two that are set, that one wins
	case "rclone":
		return "RCLONE_CONFIG_SEALGATE_endpoint"
	}
	return k.endpoint
}

// withSessions looks at a client that holds session keys.
func (w *world) withSessions(t *testing.T, name string, k about) {
	t.Helper()
	env := with(w.toward(w.sessions), k.ca, w.bundle, "AWS_ACCESS_KEY_ID", "SGSA1", "AWS_SESSION_TOKEN", "t")
	wants(t, name+" with session keys", w.config(name, env))
	wants(t, name+" without the token", w.config(name, with(env, "AWS_SESSION_TOKEN", "")), "AWS_SESSION_TOKEN: it is not set, and session keys mean nothing without it; ")
	wants(t, name+" with the agent's key", w.config(name, with(env, "AWS_ACCESS_KEY_ID", key)), "AWS_ACCESS_KEY_ID: the key is an agent's, and the endpoint is the gateway; ")
	wants(t, name+" with a key of somebody's", w.config(name, with(env, "AWS_ACCESS_KEY_ID", "AKIA1")), "AWS_ACCESS_KEY_ID: the key is not one that Sealgate made; ")
}

// What one client alone can get wrong.
func TestOneClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	agent, https := w.viaAgent(), with(w.toward(w.sessions), "AWS_ACCESS_KEY_ID", "SGSA1", "AWS_SESSION_TOKEN", "t", "AWS_CA_BUNDLE", w.bundle)
	rclone := with(https, "AWS_CA_BUNDLE", "", "RCLONE_CA_CERT", w.bundle)
	const remote = "RCLONE_CONFIG_SEALGATE_"
	for _, tt := range []struct {
		client string
		env    map[string]string
		want   []string
	}{
		{"mlflow", with(https, "MLFLOW_S3_IGNORE_TLS", "true"), []string{"MLFLOW_S3_IGNORE_TLS: the gateway's certificate is not checked: "}},
		{"mlflow", with(agent, "MLFLOW_S3_IGNORE_TLS", "true"), nil}, // there is no TLS
		{"mlflow", with(agent, "MLFLOW_S3_UPLOAD_EXTRA_ARGS", "{"), []string{"MLFLOW_S3_UPLOAD_EXTRA_ARGS: it is not a JSON object; "}},
		{"mlflow", with(agent, "MLFLOW_S3_UPLOAD_EXTRA_ARGS", `{"SSECustomerKey":"x"}`), []string{"MLFLOW_S3_UPLOAD_EXTRA_ARGS: SSECustomerKey: the gateway holds the keys"}},
		{"mlflow", with(agent, "MLFLOW_S3_UPLOAD_EXTRA_ARGS", `{"ACL":"public-read"}`), []string{"MLFLOW_S3_UPLOAD_EXTRA_ARGS: ACL: access is decided by policy"}},
		{"mlflow", with(agent, "MLFLOW_S3_UPLOAD_EXTRA_ARGS", `{"GrantRead":"x"}`), []string{"MLFLOW_S3_UPLOAD_EXTRA_ARGS: GrantRead: access is decided by policy"}},
		{"mlflow", with(agent, "MLFLOW_S3_UPLOAD_EXTRA_ARGS", `{"ACL":"bucket-owner-full-control","StorageClass":"STANDARD"}`), nil},
		{"mlflow", with(agent, "MLFLOW_S3_ENDPOINT_URL", "http://127.0.0.1:1"), []string{"MLFLOW_S3_ENDPOINT_URL: nobody answers at 127.0.0.1:1: connection refused; "}},
		{"s5cmd", with(agent, "S3_ENDPOINT_URL", ""), []string{"S3_ENDPOINT_URL: it is not set: s5cmd would talk to Amazon; "}}, // it reads none of AWS's
		{"pyarrow", with(agent, "AWS_ENDPOINT_URL_S3", ""), nil},
		{"s3torchconnector", with(agent, "AWS_CA_BUNDLE", "/none"), nil}, // it reads none
		{"rclone", with(agent, remote+"TYPE", "swift"), []string{remote + "type: the remote is of type swift; "}},
		{"rclone", with(agent, remote+"PROVIDER", ""), []string{remote + "provider: rclone takes it for Amazon itself"}},
		{"rclone", with(agent, remote+"PROVIDER", "AWS"), []string{remote + "provider: rclone takes it for Amazon itself"}},
		{"rclone", with(agent, remote+"PROVIDER", "AWS", remote+"ENDPOINT", "http://192.0.2.7:1"), []string{
			remote + "endpoint: plain HTTP to 192.0.2.7:1", remote + "provider: rclone takes it for Amazon itself",
		}},
		{"rclone", with(agent, remote+"PROVIDER", "AWS", remote+"ENDPOINT", "https://s3.acme.invalid"), []string{
			remote + "endpoint: no TLS with s3.acme.invalid", remote + "use_multipart_etag: rclone takes it for Amazon itself, and the ETag",
		}},
		{"rclone", with(agent, remote+"PROVIDER", "AWS", remote+"ENDPOINT", "https://s3.acme.invalid", remote+"USE_MULTIPART_ETAG", "false"), []string{
			remote + "endpoint: no TLS with s3.acme.invalid",
		}},
		{"rclone", with(agent, remote+"FORCE_PATH_STYLE", "false"), []string{remote + "force_path_style: the bucket would be sought in DNS; "}},
		{"rclone", with(agent, remote+"ENV_AUTH", "false"), []string{"AWS_ACCESS_KEY_ID: it is not set: rclone has nothing to sign with; "}},
		{"rclone", with(agent, remote+"ENV_AUTH", "", remote+"ACCESS_KEY_ID", key), []string{remote + "access_key_id: an access key without its secret; "}},
		{"rclone", with(agent, remote+"ENV_AUTH", "", remote+"ACCESS_KEY_ID", key, remote+"SECRET_ACCESS_KEY", secret), nil},
		{"rclone", with(agent, "RCLONE_CLIENT_CERT", "/none"), []string{"RCLONE_CLIENT_CERT: the file /none cannot be read; "}},
		{"rclone", with(agent, "RCLONE_CLIENT_KEY", "/none"), []string{"RCLONE_CLIENT_KEY: the file /none cannot be read; "}},
		{"rclone", with(agent, "AWS_CA_BUNDLE", w.bundle), []string{"AWS_CA_BUNDLE: rclone does not start while it is set"}},
		{"rclone", with(rclone, "RCLONE_NO_CHECK_CERTIFICATE", "true"), []string{"RCLONE_NO_CHECK_CERTIFICATE: the gateway's certificate is not checked: "}},
		{"rclone", with(agent, "RCLONE_NO_CHECK_CERTIFICATE", "true"), nil},
		{"boto3", with(agent, "RCLONE_CLIENT_CERT", "/none", "MLFLOW_S3_UPLOAD_EXTRA_ARGS", "{"), nil}, // those are others'
	} {
		wants(t, fmt.Sprintf("%s %v", tt.client, tt.env), w.config(tt.client, tt.env), tt.want...)
	}
}

// What clients read of files: DVC's and rclone's own.
func TestFilesOfClients(t *testing.T) {
	t.Parallel()
	agent := newWorld(t).viaAgent()
	dvc := ".dvc/config [" // and what follows
	for _, tt := range []struct {
		client, file, text string
		want               []string // DIR stands for the directory
	}{
		{"dvc", ".dvc/config", "['remote \"a\"']\n url = s3://models/a\n endpointurl = http://127.0.0.1:1\n", []string{"DIR/" + dvc + "'remote \"a\"']: nobody answers at 127.0.0.1:1"}},
		{"dvc", ".dvc/config", "['remote \"a\"']\n url = gs://models/a\n endpointurl = http://127.0.0.1:1\n", nil},
		{"dvc", ".dvc/config", "[core]\n remote = b\n['remote \"a\"']\n url = s3://models/a\n endpointurl = http://127.0.0.1:1\n['remote \"b\"']\n url = s3://m/b\n", nil},
		{"dvc", ".dvc/config.local", "['remote \"a\"']\n url = s3://models/a\n sse_customer_key = x\n", []string{"DIR/.dvc/config.local ['remote \"a\"']: sse_customer_key: the gateway holds the keys"}},
		{"dvc", ".dvc/config", "['remote \"a\"']\n acl = public-read\n", []string{"DIR/" + dvc + "'remote \"a\"']: acl: access is decided by policy"}},
		{"dvc", ".dvc/config", "['remote \"a\"']\n grant_read = x\n", []string{"DIR/" + dvc + "'remote \"a\"']: grant_read: access is decided by policy"}},
		{"dvc", ".dvc/config", "['remote \"a\"']\n ssl_verify = false\n", []string{"DIR/" + dvc + "'remote \"a\"']: ssl_verify is false: "}},
		{"dvc", ".dvc/config/x", "", []string{"DIR/.dvc/config: it cannot be read: "}},
		{"rclone", ".config/rclone/rclone.conf", "[a]\ntype = drive\n[b]\ntype = s3\nprovider = Other\nendpoint = http://127.0.0.1:1\nenv_auth = true\n", []string{"DIR/.config/rclone/rclone.conf [b] endpoint: nobody answers at 127.0.0.1:1"}},
		{"rclone", ".config/rclone/rclone.conf", "[a]\ntype = drive\n", []string{"RCLONE_CONFIG_SEALGATE_ENDPOINT: it is not set: "}},
		{"rclone", ".config/rclone/rclone.conf/x", "", []string{"DIR/.config/rclone/rclone.conf: it cannot be read: ", "RCLONE_CONFIG_SEALGATE_ENDPOINT: it is not set: "}},
	} {
		w := newWorld(t)
		w.file(t, tt.file, tt.text)
		env := map[string]string{}
		for name, value := range agent {
			if tt.client != "rclone" || !strings.HasPrefix(name, "RCLONE_") {
				env[name] = strings.ReplaceAll(value, agent["AWS_ENDPOINT_URL"], w.agent)
			}
		}
		var want []string
		for _, s := range tt.want {
			want = append(want, strings.ReplaceAll(s, "DIR", w.dir))
		}
		wants(t, tt.client+" "+tt.text, w.config(tt.client, env), want...)
	}
}

// What all that is built on AWS's SDKs can get wrong, in variables and in files.
func TestVariablesOfAWS(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.file(t, "config", "[default]\ns3 =\n  addressing_style = virtual\n  signature_version = s3\nrequest_checksum_calculation = never\nca_bundle = /none\n"+
		"[profile mine]\nservices = s\nendpoint_url = http://127.0.0.1:1\n[services s]\ns3 =\n  endpoint_url = "+w.agent+"\n[profile plain]\nendpoint_url = http://127.0.0.1:1\n"+
		"[profile process]\ncredential_process = make-keys\n")
	w.file(t, "credentials", "[mine]\naws_access_key_id = "+key+"\naws_secret_access_key = "+secret+"\n[plain]\naws_access_key_id = "+key+"\n")
	agent := w.viaAgent()
	files := with(agent, "AWS_CONFIG_FILE", w.dir+"/config", "AWS_SHARED_CREDENTIALS_FILE", w.dir+"/credentials")
	bare := with(files, "AWS_ENDPOINT_URL", "", "AWS_ENDPOINT_URL_S3", "", "AWS_ACCESS_KEY_ID", "", "AWS_SECRET_ACCESS_KEY", "")
	host := strings.TrimPrefix(w.agent, "http://")
	for _, tt := range []struct {
		name string
		env  map[string]string
		want []string
	}{
		{"checksums", with(agent, "AWS_REQUEST_CHECKSUM_CALCULATION", "always"), []string{"AWS_REQUEST_CHECKSUM_CALCULATION: no SDK knows the checksum setting always; "}},
		{"checksums", with(agent, "AWS_RESPONSE_CHECKSUM_VALIDATION", "no"), []string{"AWS_RESPONSE_CHECKSUM_VALIDATION: no SDK knows the checksum setting no; "}},
		{"checksums", with(agent, "AWS_RESPONSE_CHECKSUM_VALIDATION", "WHEN_REQUIRED", "AWS_REQUEST_CHECKSUM_CALCULATION", "when_supported"), nil},
		{"a file of all faults", files, []string{
			w.dir + "/config [default]: no SDK knows the checksum setting never; ", w.dir + "/config [default]: signature_version is s3; Sealgate takes version 4 alone; ",
			w.dir + "/config [default]: addressing_style is virtual: ", w.dir + "/config [default]: the file /none cannot be read; ",
		}},
		{"roots", with(agent, "AWS_CA_BUNDLE", "/none"), []string{"AWS_CA_BUNDLE: the file /none cannot be read; "}},
		{"roots", with(w.toward(w.gateway), "AWS_ACCESS_KEY_ID", "any", "AWS_CA_BUNDLE", w.dir+"/config"), []string{"AWS_CA_BUNDLE: " + w.dir + "/config holds no certificate; "}},
		{"ignored endpoints", with(agent, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true"), []string{"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: it makes SDKs overlook the endpoint; ", "AWS_ENDPOINT_URL_S3: it is not set: "}},
		{"ignored endpoints", with(agent, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "false"), nil},
		{"no such profile", with(files, "AWS_PROFILE", "nobody"), []string{"AWS_PROFILE: there is no profile nobody in "}},
		{"a profile with a service", with(bare, "AWS_PROFILE", "mine"), nil},
		{"half a key in a file", with(bare, "AWS_PROFILE", "plain"), []string{
			w.dir + "/config [plain]: nobody answers at 127.0.0.1:1", w.dir + "/config [plain]: an access key without its secret; ",
		}},
		{"keys of a program", with(files, "AWS_PROFILE", "process", "AWS_ACCESS_KEY_ID", "", "AWS_SECRET_ACCESS_KEY", ""), nil},
		{"keys of a token", with(agent, "AWS_WEB_IDENTITY_TOKEN_FILE", "/token", "AWS_ACCESS_KEY_ID", "", "AWS_SECRET_ACCESS_KEY", ""), nil},
		{"keys of a container", with(agent, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/creds", "AWS_ACCESS_KEY_ID", "", "AWS_SECRET_ACCESS_KEY", ""), nil},
		{"files that cannot be read", with(agent, "AWS_CONFIG_FILE", w.dir, "AWS_SHARED_CREDENTIALS_FILE", w.dir), []string{w.dir + ": it cannot be read: ", w.dir + ": it cannot be read: "}},
		{"a proxy", with(agent, "HTTP_PROXY", "http://proxy:3128"), []string{"HTTP_PROXY: requests to " + host + " would go through a proxy, and the signature is for " + host + "; "}},
		{"a proxy for all", with(agent, "all_proxy", "http://proxy:3128", "NO_PROXY", "acme.ai"), []string{"all_proxy: requests to " + host + " would go through a proxy"}},
		{"a proxy for others", with(agent, "http_proxy", "http://proxy:3128", "no_proxy", "acme.ai,127.0.0.1"), nil},
		{"a proxy for nobody", with(agent, "http_proxy", "http://proxy:3128", "no_proxy", "*"), nil},
		{"a proxy of another scheme", with(agent, "https_proxy", "http://proxy:3128"), nil},
		{"not a URL", with(agent, "AWS_ENDPOINT_URL_S3", "s3.acme.ai"), []string{"AWS_ENDPOINT_URL_S3: it is not an endpoint; "}},
		{"another scheme", with(agent, "AWS_ENDPOINT_URL_S3", "ftp://s3.acme.ai"), []string{"AWS_ENDPOINT_URL_S3: it is not an endpoint; "}},
		{"a bucket behind it", with(agent, "AWS_ENDPOINT_URL_S3", w.agent+"/models"), []string{"AWS_ENDPOINT_URL_S3: it is more than an endpoint; "}},
		{"somebody's name in it", with(agent, "AWS_ENDPOINT_URL_S3", "http://a:b@"+host), []string{"AWS_ENDPOINT_URL_S3: it is more than an endpoint; "}},
		{"plain HTTP over a net", with(agent, "AWS_ENDPOINT_URL_S3", "http://192.0.2.1:9440"), []string{"AWS_ENDPOINT_URL_S3: plain HTTP to 192.0.2.1:9440: "}},
		{"nobody there", with(agent, "AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1"), []string{"AWS_ENDPOINT_URL_S3: nobody answers at 127.0.0.1:1: connection refused; "}},
		{"no TLS", with(agent, "AWS_ENDPOINT_URL_S3", strings.Replace(w.agent, "http:", "https:", 1)), []string{"AWS_ENDPOINT_URL_S3: no TLS with " + host + ": "}},
	} {
		wants(t, tt.name, w.config("boto3", tt.env), tt.want...)
	}
	other := strings.Replace(w.gateway, "localhost", "127.0.0.1", 1)
	c := w.config("boto3", with(w.toward(other), "AWS_ACCESS_KEY_ID", "any", "AWS_CA_BUNDLE", w.bundle))
	if r := wants(t, "another name of it", c, "AWS_ENDPOINT_URL_S3: the certificate of "); len(r.Findings) == 1 && r.Findings[0].Fix != "name the gateway as its certificate does: localhost" {
		t.Errorf("another name of it: %s", r.Findings[0].Fix)
	}
}

// The agent has the last word about its keys.
func TestKeysOfTheAgent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.answer = func(rw http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.Header.Get("Authorization"), "Credential="+key) {
			rw.WriteHeader(http.StatusForbidden)
			_, _ = rw.Write([]byte(`<Error><Code>InvalidAccessKeyId</Code><Message>another start's</Message></Error>`))
		}
	}
	wants(t, "keys that are not taken", w.config("boto3", w.viaAgent()), w.agent+": it answers 403 Forbidden: another start's (InvalidAccessKeyId); ")
	w.file(t, "sealgate-agent/credentials", "[default]\naws_access_key_id = SGAGBBBBBBBBBBBBBBBB\n")
	w.file(t, "sealgate-agent/config", "[default]\nendpoint_url = "+w.agent+"\n")
	wants(t, "keys of an earlier start", w.config("boto3", w.viaAgent()), "AWS_ACCESS_KEY_ID: the key is of an earlier start of the agent; eval ")
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed at once
	if err != nil {
		t.Fatal(err)
	}
	free := "http://" + l.Addr().String()
	l.Close()
	wants(t, "an agent that is gone", w.config("boto3", w.toward(free)), "AWS_ENDPOINT_URL_S3: nobody answers at ")
}
