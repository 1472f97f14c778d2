// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/gateway/config"
)

func TestLoadAgent(t *testing.T) {
	t.Parallel()
	got, faults := config.LoadAgent("/etc/x/agent.yaml", []byte(`version: 1
gateway: {s3: "https://s3.acme.ai:9443", session_keys: "https://s3.acme.ai:9444", id: spiffe://acme.ai/gateway}
identity: {source: workload, workload: {socket: "unix:///run/spire/agent.sock"}}
forward: {listen: "unix:///run/agent.sock", uid: 1000, domain: s3.local}
credentials: {}
svid_files: {dir: svid, reload: {exec: [systemctl, reload, nginx]}}
log: {level: debug}
`))
	if len(faults) != 0 {
		t.Fatalf("faults: %v", faults)
	}
	want := &config.Agent{
		Version:     1,
		Gateway:     config.AgentGateway{S3: "https://s3.acme.ai:9443", SessionKeys: "https://s3.acme.ai:9444", ID: certs.MustParseID("spiffe://acme.ai/gateway")},
		Identity:    config.AgentIdentity{Source: "workload", Workload: config.Workload{Socket: "unix:///run/spire/agent.sock"}},
		Forward:     config.Forward{On: true, Listen: "unix:///run/agent.sock", UID: 1000, Domain: "s3.local", Connections: 1024},
		Credentials: config.AgentCredentials{On: true, Listen: config.DefaultCredentials},
		SVIDFiles:   config.SVIDFiles{On: true, Dir: "/etc/x/svid", Reload: config.Reload{Exec: []string{"systemctl", "reload", "nginx"}, Signal: config.ReloadSignal{Name: "HUP"}}},
		Log:         config.Log{Level: "debug", Format: "text"},
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(certs.ID{})); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if closed, _ := config.LoadAgent("a", []byte("version: 1\nforward: {}\n")); closed == nil || closed.Credentials.On || closed.SVIDFiles.On {
		t.Errorf("a door that is not named is open: %+v", closed)
	}
	if e := config.EmbeddedAgent(); !e.Forward.On || e.Credentials.On || e.SVIDFiles.On || e.Forward.UID != -1 {
		t.Errorf("embedded: %+v", e)
	}
}

func TestAgentFaults(t *testing.T) {
	t.Parallel()
	for src, want := range map[string]string{
		"forward: {listen: \"0.0.0.0:9440\"}":                                         `E504: forward.listen: "0.0.0.0:9440" can be reached from other machines; write 127.0.0.1:PORT or unix:///PATH`,
		"forward: {listen: \"[::]:9440\"}":                                            `can be reached from other machines`,
		"forward: {listen: \"localhost:9440\"}":                                       `names a host; whether that is this machine alone is not known`,
		"forward: {listen: \"unix://relative\"}":                                      `is not a socket`,
		"forward: {uid: 1}":                                                           `E515: forward.uid: "uid" goes with a unix socket`,
		"forward: {domain: \"S3.local\"}":                                             `is not a domain`,
		"forward: {domain: \"10.0.0.1\"}":                                             `is not a domain`,
		"forward: {lisen: x}":                                                         `E004: unknown key "lisen"; did you mean "listen"?`,
		"forward: {}\ngateway: {s3: \"http://gw:9443\"}":                              `E504: gateway.s3: the gateway speaks TLS alone; write https://HOST:PORT`,
		"forward: {}\nidentity: {files: {cert: a, key: b, bundle: c}}":                `E007: identity: "source" is missing; write workload or files`,
		"forward: {}\nidentity: {source: authority}":                                  `E514: identity.source: "authority" is not possible here; write workload or files`,
		"credentials: {listen: \"unix:///run/x\"}":                                    `E504: credentials.listen: SDKs ask for credentials over TCP alone`,
		"forward: {}\ncredentials: {listen: \"127.0.0.1:9440\"}":                      `is taken by forward.listen`,
		"log: {level: info}":                                                          `E007: no door is open`,
		"svid_files: {}":                                                              `"dir" is missing`,
		"svid_files: {dir: x, reload: {}}":                                            `E515: svid_files.reload: one of signal, exec and http is wanted`,
		"svid_files: {dir: x, reload: {exec: [a], http: \"http://x/\"}}":              `E515: svid_files.reload: one of signal, exec and http is wanted`,
		"svid_files: {dir: x, reload: {exec: []}}":                                    `E502: svid_files.reload.exec: no program is named`,
		"svid_files: {dir: x, reload: {exec: [\"\"]}}":                                `is empty`,
		"svid_files: {dir: x, reload: {signal: {pid_file: y, name: KILL}}}":           `"KILL" is not possible here`,
		"svid_files: {dir: x, reload: {http: \"http://user:secret@host/\"}}":          `this is not a URL to POST to`,
		"svid_files: {dir: x, reload: {http: \"file:///etc/passwd\"}}":                `this is not a URL to POST to`,
		"forward: {}\nversion: 2":                                                     `E005`,
		"credentials: {token: secret}":                                                `unknown key "token"`,
		"forward: {}\ngateway: {id: \"spiffe://acme.ai/../gateway\"}":                 `E503`,
		"forward: {listen: \"127.0.0.1:9440\"}\nsecrets: [{name: a, file: b}]":        `unknown key "secrets"`,
		"forward: {}\nidentity: {source: files, files: {cert: a, key: b}}":            `"bundle" is missing`,
		"forward: {}\nidentity: {source: workload, workload: {socket: \"run/sock\"}}": `is not the address of a Workload API`,
	} {
		a, faults := config.LoadAgent("agent.yaml", []byte("version: 1\n"+src+"\n"))
		var all []string
		for _, f := range faults {
			all = append(all, f.String())
		}
		if text := strings.Join(all, "\n"); a != nil || !strings.Contains(text, want) || strings.Contains(text, "secret@") {
			t.Errorf("%s:\ngot %q\nwant %q", src, text, want)
		}
	}
}
