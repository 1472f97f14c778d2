// SPDX-License-Identifier: Apache-2.0

package attack

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/certs/certstest"
	"github.com/sealgate/sealgate/certs/pemfile"
	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/gateway/s3api"
	"github.com/sealgate/sealgate/testenv/gate"
)

// victim is an agent that holds the identity of a writer.
type victim struct {
	*gate.Agent
	who  string
	keys s3api.Credentials
}

func newVictim(t *testing.T, name, doors string) *victim {
	t.Helper()
	v := &victim{Agent: shared.Agent(t, gate.AgentOptions{Path: "/writer/" + name, Doors: doors}), who: "spiffe://test.sealgate/writer/" + name}
	for _, kv := range v.Env(t) {
		switch key, value, _ := strings.Cut(kv, "="); key {
		case "AWS_ACCESS_KEY_ID":
			v.keys.AccessKey = value
		case "AWS_SECRET_ACCESS_KEY":
			v.keys.Secret = s3api.Secret(value)
		}
	}
	return v
}

func (v *victim) host() string { return strings.TrimPrefix(v.Endpoint, "http://") }

// head is the head of a signed request, to be changed and sent raw.
func (v *victim) head(t *testing.T, method, target, payload string, extra http.Header) string {
	t.Helper()
	u, err := url.Parse(v.Endpoint + target)
	if err != nil {
		t.Fatal(err)
	}
	r := &http.Request{Method: method, URL: u, Host: u.Host, Header: extra.Clone()}
	if r.Header == nil {
		r.Header = http.Header{}
	}
	if err := s3api.SignHeader(r, v.keys, "us-east-1", payload, time.Now()); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString(method + " " + target + " HTTP/1.1\r\nHost: " + u.Host + "\r\n")
	_ = r.Header.Write(&b) // a Builder does not fail
	return b.String() + "\r\n"
}

// send sends bytes as they stand and reads one answer.
func (v *victim) send(t *testing.T, text string) (int, string) {
	t.Helper()
	c, err := net.Dial("tcp", v.host()) //nolint:noctx // on this machine
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(text, " ")
	resp, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body) // what is cut off is not looked at
	return resp.StatusCode, string(b)
}

// recorded counts what the victim's identity did to a path, by the log.
func (v *victim) recorded(t *testing.T, path string) int {
	t.Helper()
	return len(shared.Records(t, audit.SearchQuery{Who: v.who, Path: path}))
}

const unsignedPayload = "UNSIGNED-PAYLOAD"

// Whoever reaches the port but has no key of this start does not get the
// agent's identity: nothing of these reaches the gateway.
func TestAgentLendsNothing(t *testing.T) {
	t.Parallel()
	v, other := newVictim(t, "lend", ""), newVictim(t, "lend-other", "")
	const path = "/models/lend/secret"
	if code, body := v.send(t, strings.Replace(v.head(t, "PUT", path, unsignedPayload, nil), "\r\n\r\n", "\r\nContent-Length: 6\r\n\r\nsecret", 1)); code != 200 {
		t.Fatalf("putting: %d %s", code, body)
	}
	before := v.recorded(t, "models/lend/secret")
	get := v.head(t, "GET", path, unsignedPayload, nil)
	theirs := *other
	theirs.Agent = v.Agent
	presigned, err := s3api.Presign("GET", &url.URL{Scheme: "http", Host: v.host(), Path: path}, nil, v.keys, "us-east-1", time.Now(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(v.host())
	for name, text := range map[string]string{
		"unsigned":                   "GET " + path + " HTTP/1.1\r\nHost: " + v.host() + "\r\n\r\n",
		"the key of another agent":   theirs.head(t, "GET", path, unsignedPayload, nil),
		"a URL that signs itself":    "GET " + presigned.RequestURI() + " HTTP/1.1\r\nHost: " + v.host() + "\r\n\r\n",
		"a page behind a DNS answer": strings.Replace(get, "Host: "+v.host(), "Host: evil.example:"+port, 1),
		"the Host of the gateway":    strings.Replace(get, "Host: "+v.host(), "Host: "+strings.TrimPrefix(shared.Endpoint, "https://"), 1),
		"an absolute target":         strings.Replace(get, "GET "+path, "GET "+shared.Endpoint+path, 1),
		"a tunnel":                   strings.Replace(get, "GET "+path, "CONNECT "+strings.TrimPrefix(shared.Endpoint, "https://"), 1),
		"two framings":               strings.Replace(get, "\r\n\r\n", "\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 1),
		"another method, same words": strings.Replace(get, "GET ", "DELETE ", 1),
		"another key, same words":    strings.Replace(get, path, "/models/lend/secret2", 1),
		"another query, same words":  strings.Replace(get, path+" ", path+"?tagging ", 1),
		"a header slipped in":        strings.Replace(get, "\r\n\r\n", "\r\nX-Amz-Acl: public-read\r\n\r\n", 1),
		"a header taken out":         strings.Replace(get, "X-Amz-Content-Sha256", "X-Other", 1),
		"version 2":                  "GET " + path + "?AWSAccessKeyId=" + v.keys.AccessKey + "&Signature=x&Expires=9999999999 HTTP/1.1\r\nHost: " + v.host() + "\r\n\r\n",
	} {
		if code, body := v.send(t, text); code < 400 || strings.Contains(body, "secret\r") || body == "secret" {
			t.Errorf("%s: %d %s", name, code, body)
		}
	}
	if after := v.recorded(t, "models/lend/secret"); after != before {
		t.Errorf("%d requests came to the gateway", after-before)
	}
	if v.recorded(t, "models/lend/secret2") != 0 {
		t.Error("a changed request came to the gateway")
	}
	if code, body := v.send(t, get); code != 200 || body != "secret" {
		t.Errorf("the owner's own request: %d %s", code, body)
	}
}

// A request behind another's body is not served as the agent.
func TestAgentSmuggling(t *testing.T) {
	t.Parallel()
	v := newVictim(t, "smuggle", "")
	hidden := v.head(t, "DELETE", "/models/smuggle/kept", unsignedPayload, nil)
	put := v.head(t, "PUT", "/models/smuggle/a", unsignedPayload, nil)
	chunked := strings.Replace(put, "\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\nX-Amz-Decoded-Content-Length: 1\r\n\r\n", 1)
	for name, text := range map[string]string{
		"behind chunks":                 chunked + "1\r\na\r\n0\r\n\r\n" + hidden,
		"behind a length and chunks":    strings.Replace(put, "\r\n\r\n", "\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 1) + hidden,
		"behind a bare line feed":       strings.Replace(put, "\r\nHost", "\nTransfer-Encoding: chunked\r\nHost", 1) + "0\r\n\r\n" + hidden,
		"in a folded line":              strings.Replace(put, "\r\n\r\n", "\r\nX-A: b\r\n Content-Length: 3\r\n\r\n", 1) + hidden,
		"in a chunk extension":          chunked + "1;a=\n\r\na\r\n0\r\n\r\n" + hidden,
		"in an encoding that is no one": strings.Replace(put, "\r\n\r\n", "\r\nTransfer-Encoding: xchunked\r\nContent-Length: 3\r\n\r\n", 1) + hidden,
	} {
		c, err := net.Dial("tcp", v.host()) //nolint:noctx // on this machine
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		_, _ = io.WriteString(c, text) // what is refused early may be cut
		answers, _ := io.ReadAll(c)
		c.Close()
		if n := v.recorded(t, "models/smuggle/kept"); n != 0 {
			t.Errorf("%s: the hidden request was served: %s", name, answers)
		}
	}
}

// What a client says of who it is does not count.
func TestAgentIdentityIsItsOwn(t *testing.T) {
	t.Parallel()
	v := newVictim(t, "own", "")
	h := http.Header{}
	for _, name := range []string{"X-Sealgate-Identity", "X-Forwarded-Client-Cert", "X-Forwarded-For", "Forwarded", "X-Real-Ip", "X-Ssl-Client-S-Dn", "Via"} {
		h.Set(name, "spiffe://test.sealgate/guarded/admin")
	}
	if code, body := v.send(t, strings.Replace(v.head(t, "PUT", "/models/own/k", unsignedPayload, h), "\r\n\r\n", "\r\nContent-Length: 1\r\n\r\na", 1)); code != 200 {
		t.Fatalf("%d %s", code, body)
	}
	if v.recorded(t, "models/own/k") == 0 {
		t.Error("it is not on the log as the agent's identity")
	}
	if n := len(shared.Records(t, audit.SearchQuery{Who: "spiffe://test.sealgate/guarded/admin", Path: "models/own/k"})); n != 0 {
		t.Errorf("%d records of somebody else", n)
	}
}

// A body that was changed on its way is not stored: its digest is signed, and
// the gateway compares.
func TestAgentBodyChanged(t *testing.T) {
	t.Parallel()
	v := newVictim(t, "body", "")
	sum := sha256.Sum256([]byte("good"))
	head := strings.Replace(v.head(t, "PUT", "/models/body/k", hex.EncodeToString(sum[:]), nil), "\r\n\r\n", "\r\nContent-Length: 4\r\n\r\n", 1)
	if code, body := v.send(t, head+"evil"); code != 400 || !strings.Contains(body, "XAmzContentSHA256Mismatch") {
		t.Errorf("%d %s", code, body)
	}
	if code, _ := v.send(t, v.head(t, "HEAD", "/models/body/k", unsignedPayload, nil)); code != 404 {
		t.Errorf("something was stored: %d", code)
	}
	if code, body := v.send(t, head+"good"); code != 200 {
		t.Errorf("the body that was signed: %d %s", code, body)
	}
}

// The keys of an agent are nowhere but in its file: not in what it says, not
// in what is seen of its process, not at the gateway.
func TestAgentKeepsItsKeys(t *testing.T) {
	t.Parallel()
	v := newVictim(t, "keeps", "forward: {listen: \"127.0.0.1:0\"}\ncredentials: {listen: \"127.0.0.1:0\"}\nlog: {level: debug}")
	token, err := os.ReadFile(filepath.Join(v.Dir, "sealgate-agent", "token"))
	if err != nil {
		t.Fatal(err)
	}
	v.send(t, v.head(t, "GET", "/models/keeps/none", unsignedPayload, nil))
	v.send(t, "GET /models/keeps/none?X-Amz-Signature="+string(v.keys.Secret)+" HTTP/1.1\r\nHost: "+v.host()+"\r\n\r\n")
	seen := v.Log() + v.CLI(t, "status").Stdout + v.CLI(t, "status", "--json").Stdout + shared.Log()
	for _, name := range []string{"cmdline", "environ"} {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", v.PID(), name))
		if err != nil {
			t.Fatal(err)
		}
		seen += string(b)
	}
	for _, secret := range []string{string(v.keys.Secret), string(token)} {
		if strings.Contains(seen, secret) {
			t.Error("a secret of the agent is told")
		}
	}
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", v.PID()))
	if err != nil || !strings.Contains(string(limits), "Max core file size        0") {
		t.Errorf("core files may be written: %v %s", err, limits)
	}
}

// Another user of the machine gets at no file and no socket of the agent.
func TestAgentOtherUser(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Fatal("this test runs commands as another user, which only root can")
	}
	v := newVictim(t, "user", "")
	if err := os.Chmod(v.Dir, 0o755); err != nil { // the directory above is anybody's to enter
		t.Fatal(err)
	}
	program := filepath.Join(v.Dir, "program") // where another user may run it
	text, err := os.ReadFile(gate.AgentBinary(t))
	if err != nil {
		t.Fatal(err)
	}
	gate.WriteProgram(t, program, text)
	state := filepath.Join(v.Dir, "sealgate-agent")
	for _, command := range [][]string{
		{"cat", state + "/credentials"},
		{"cat", state + "/config"},
		{"ls", state},
		{"curl", "-sS", "--unix-socket", state + "/status.sock", "http://agent/"},
		{program, "status"},
		{program, "env"},
	} {
		cmd := exec.Command("setpriv", append([]string{"--reuid", "65534", "--regid", "65534", "--clear-groups", "--"}, command...)...) //nolint:noctx // ends by itself
		cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+v.Dir)
		if out, err := cmd.CombinedOutput(); err == nil || bytes.Contains(out, []byte("SGAG")) {
			t.Errorf("%v as another user: %s", command, out)
		}
	}
	// Nor can anybody prepare the ground: a directory that others may write, a
	// link in the place of a file.
	dir, err := os.MkdirTemp("", "sga-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) }) // temporary in any case
	start := func() gate.Result {
		return gate.RunAgent(t, []string{"XDG_RUNTIME_DIR=" + dir}, nil, append([]string{"serve"}, shared.IdentityFlags(t, "/writer/user2")...)...)
	}
	laid := filepath.Join(dir, "sealgate-agent")
	if err := os.Mkdir(laid, 0o700); err != nil {
		t.Fatal(err)
	}
	for what, spoil := range map[string]func() error{
		"may be written by others": func() error { return os.Chmod(laid, 0o777) },
		"belongs to another user":  func() error { return os.Chown(laid, 65534, 65534) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		if r := start(); r.Code != 1 || !strings.Contains(r.Stderr, what) {
			t.Errorf("a directory that %s: %d %s", what, r.Code, r.Stderr)
		}
		if err := errors.Join(os.Chown(laid, 0, 0), os.Chmod(laid, 0o700)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(laid); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/tmp", laid); err != nil {
		t.Fatal(err)
	}
	if r := start(); r.Code != 1 || !strings.Contains(r.Stderr, "is not a directory") {
		t.Errorf("a link for a directory: %d %s", r.Code, r.Stderr)
	}
}

// Connections that say nothing, or a byte at a time, are cut, and nobody waits
// for them.
func TestAgentSlowConnections(t *testing.T) {
	t.Parallel()
	v := newVictim(t, "slow", "")
	var open []net.Conn
	for range 300 {
		c, err := net.Dial("tcp", v.host()) //nolint:noctx // on this machine
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: ") // and no more
		open = append(open, c)
	}
	if code, body := v.send(t, v.head(t, "GET", "/", unsignedPayload, nil)); code != 200 {
		t.Errorf("beside slow connections: %d %s", code, body)
	}
	for _, c := range open {
		_ = c.SetReadDeadline(time.Now().Add(time.Minute))
		if _, err := io.ReadAll(c); err != nil {
			t.Fatalf("a slow connection is not cut: %v", err)
		}
	}
}

// An SVID that has expired opens nothing, whoever has the keys.
func TestAgentExpires(t *testing.T) {
	t.Parallel()
	v := newVictim(t, "expires", "")
	end := time.Now().Add(20 * time.Second).Truncate(time.Second)
	short := shared.CA.SVID(t, "/writer/expires", certstest.Options{NotBefore: time.Now().Add(-time.Minute), NotAfter: end})
	if err := pemfile.Write(v.ID, short); err != nil {
		t.Fatal(err)
	}
	for until := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		code, body := v.send(t, v.head(t, "GET", "/", unsignedPayload, nil))
		if code == 503 && strings.Contains(body, "has no identity at present") {
			break
		}
		if code != 200 || time.Now().After(until) {
			t.Fatalf("%d %s", code, body)
		}
	}
	if time.Now().Before(end) {
		t.Error("it was refused before its end")
	}
	if r := v.CLI(t, "status"); !strings.Contains(r.Stdout, "NONE") || !strings.Contains(r.Stdout, "ended at") {
		t.Errorf("status: %s", r.Stdout)
	}
}
