// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"reflect"
	"strings"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/gateway/internal/strictyaml"
)

// Agent is the configuration of sealgate-agent (cmd/sealgate-agent/AGENT.md). A
// door that the file does not name is closed.
type Agent struct {
	Version     int              `yaml:"version" as:"version" need:"true" doc:"of the format of this file"`
	Gateway     AgentGateway     `yaml:"gateway" doc:"where the gateway is and who it must be"`
	Identity    AgentIdentity    `yaml:"identity" doc:"who the agent is; absent is what flags and variables say"`
	Forward     Forward          `yaml:"forward" doc:"S3 over plain HTTP for programs of this machine"`
	Credentials AgentCredentials `yaml:"credentials" doc:"session keys for AWS SDKs that speak to the gateway themselves"`
	SVIDFiles   SVIDFiles        `yaml:"svid_files" doc:"SVID, key and bundle as PEM files, kept fresh"`
	Log         Log              `yaml:"log" doc:"of the process, to stderr"`
}

// AgentGateway is the gateway as an agent sees it.
type AgentGateway struct {
	S3          string   `yaml:"s3" as:"endpoint" doc:"https://HOST:PORT of its mTLS listener"`                                      // "" = flags decide
	SessionKeys string   `yaml:"session_keys" as:"endpoint" doc:"https://HOST:PORT of its session-key listener, for env and doctor"` // "" = unknown
	ID          certs.ID `yaml:"id" as:"id" doc:"SPIFFE ID it must present; absent is /gateway of the agent's own trust domain"`
}

// AgentIdentity says where an agent's certificate comes from.
type AgentIdentity struct {
	Source   string        `yaml:"source" as:"enum workload|files" doc:"workload (a SPIFFE Workload API) or files"` // "" = flags decide
	Workload Workload      `yaml:"workload" when:"workload" need:"true" doc:"the Workload API"`
	Files    IdentityFiles `yaml:"files" when:"files" need:"true" doc:"PEM files, read again within 2s of a change"`
}

// Forward is the door for S3 clients.
type Forward struct {
	On          bool   `yaml:"-"`
	Listen      string `yaml:"listen" as:"local" doc:"IP:PORT of the loopback, or unix:///PATH"`
	UID         int64  `yaml:"uid" as:"count 0..4294967294" doc:"who may use a unix socket; absent is the agent's own user"` // -1 = absent
	Domain      string `yaml:"domain" as:"domain" doc:"BUCKET.domain is taken as a Host too"`                                // "" = none besides localhost
	Connections int    `yaml:"connections" as:"count 1..100000" doc:"how many may be open at once; over that, those that have not signed yet make room"`
}

// AgentCredentials is the door for container credentials.
type AgentCredentials struct {
	On        bool   `yaml:"-"`
	Listen    string `yaml:"listen" as:"local" doc:"IP:PORT of the loopback"`
	TokenFile string `yaml:"token_file" as:"path" doc:"made at each start, mode 0400; absent is token in the agent's directory"`
}

// SVIDFiles is the door for clients that show a certificate themselves.
type SVIDFiles struct {
	On     bool   `yaml:"-"`
	Dir    string `yaml:"dir" as:"path" need:"true" doc:"gets svid.pem, key.pem and bundle.pem"`
	Reload Reload `yaml:"reload" doc:"what to do when they have changed: one of signal, exec, http"`
}

// Reload tells a program that its files have changed. At most one of its fields
// is set.
type Reload struct {
	Signal ReloadSignal `yaml:"signal" doc:"to a process: {pid_file: PATH, name: HUP}"`
	Exec   []string     `yaml:"exec" as:"words" doc:"[PROGRAM, ARG, ...], without a shell"`
	HTTP   string       `yaml:"http" as:"url" doc:"URL to POST to"`
}

// ReloadSignal is a signal to the process named in a file.
type ReloadSignal struct {
	PIDFile string `yaml:"pid_file" as:"path" need:"true" doc:"holds the process id"`
	Name    string `yaml:"name" as:"enum HUP|INT|TERM|USR1|USR2" doc:"HUP, INT, TERM, USR1 or USR2"`
}

// Defaults of the agent's doors.
const (
	DefaultForward     = "127.0.0.1:9440"
	DefaultCredentials = "127.0.0.1:9441"
)

// EmbeddedAgent is the configuration of an agent without a file: the forwarder
// alone.
func EmbeddedAgent() *Agent {
	a := baseAgent()
	a.Forward.On = true
	return a
}

func baseAgent() *Agent {
	return &Agent{
		Version: 1, Forward: Forward{Listen: DefaultForward, UID: -1, Connections: 1024}, Credentials: AgentCredentials{Listen: DefaultCredentials},
		SVIDFiles: SVIDFiles{Reload: Reload{Signal: ReloadSignal{Name: "HUP"}}}, Log: Log{Level: "info", Format: "text"},
	}
}

// LoadAgent reads sealgate-agent.yaml as [Load] reads sealgate.yaml. With an error
// among the faults the Agent is nil.
func LoadAgent(file string, src []byte) (*Agent, strictyaml.Faults) {
	var faults strictyaml.Faults
	root := strictyaml.Parse(file, src, &faults)
	if root == nil {
		return nil, faults
	}
	d := &decoder{dir: directory(file), faults: &faults, given: map[string]*strictyaml.Node{}, root: root}
	a := baseAgent()
	d.fill(root, reflect.ValueOf(a).Elem())
	a.Forward.On, a.Credentials.On, a.SVIDFiles.On = d.isGiven("forward"), d.isGiven("credentials"), d.isGiven("svid_files")
	d.checkAgent(a)
	faults.Sort()
	if faults.Errors() > 0 {
		return nil, faults
	}
	return a, faults
}

// checkAgent looks for what only the whole shows.
func (d *decoder) checkAgent(a *Agent) {
	for path, endpoint := range map[string]string{"gateway.s3": a.Gateway.S3, "gateway.session_keys": a.Gateway.SessionKeys} {
		if strings.HasPrefix(endpoint, "http://") {
			d.faultAt(path, "E504", "the gateway speaks TLS alone", "write https://HOST:PORT")
		}
	}
	if d.isGiven("identity") && a.Identity.Source == "" && !d.isGiven("identity.source") {
		d.faultAt("identity", "E007", `"source" is missing`, "write workload or files")
	}
	if d.isGiven("forward.uid") && !strings.HasPrefix(a.Forward.Listen, "unix:") {
		d.faultAt("forward.uid", "E515", `"uid" goes with a unix socket`, "write listen: unix:///PATH")
	}
	if strings.HasPrefix(a.Credentials.Listen, "unix:") {
		d.faultAt("credentials.listen", "E504", "SDKs ask for credentials over TCP alone", "write 127.0.0.1:PORT")
	}
	if a.Forward.On && a.Credentials.On && collide(a.Forward.Listen, a.Credentials.Listen) {
		d.faultAt("credentials.listen", "E504", fmt.Sprintf("%s is taken by forward.listen", a.Credentials.Listen), "")
	}
	if !a.Forward.On && !a.Credentials.On && !a.SVIDFiles.On {
		d.root.Fault(d.faults, "E007", "no door is open", "give forward, credentials or svid_files")
	}
	d.checkReload(a.SVIDFiles.Reload)
}

func (d *decoder) checkReload(r Reload) {
	const path = "svid_files.reload"
	n := 0
	for _, way := range []string{"signal", "exec", "http"} {
		if d.isGiven(path + "." + way) {
			n++
		}
	}
	if d.isGiven(path) && n != 1 {
		d.faultAt(path, "E515", "one of signal, exec and http is wanted", "")
	}
	if d.isGiven(path+".exec") && len(r.Exec) == 0 {
		d.faultAt(path+".exec", "E502", "no program is named", "write [PROGRAM, ARG, ...]")
	}
}

// checkLocal accepts addresses that no other machine reaches: the loopback, by
// number, and unix sockets.
func checkLocal(s string) complaint {
	const hint = "write 127.0.0.1:PORT or unix:///PATH"
	if strings.HasPrefix(s, "unix:") {
		if c := checkSocket(s); c.code != "" {
			return complaint{"E504", "is not a socket", hint}
		}
		return complaint{}
	}
	a, err := netip.ParseAddrPort(s)
	switch {
	case err != nil && checkAddress(s).code == "":
		return complaint{"E504", "names a host; whether that is this machine alone is not known", hint}
	case err != nil:
		return complaint{"E504", "is not an address", hint}
	case !a.Addr().IsLoopback():
		return complaint{"E504", "can be reached from other machines", hint}
	}
	return complaint{}
}

// checkDomain accepts a DNS name in lower case under which buckets are names.
func checkDomain(s string) complaint {
	if !hostForm.MatchString(s) || s != strings.ToLower(s) || strings.Contains(s, "..") || strings.Contains(s, "_") || net.ParseIP(s) != nil {
		return complaint{"E504", "is not a domain", "write a name in lower case, as in s3.local"}
	}
	return complaint{}
}

// readWords reads a list of texts.
func readWords(d *decoder, n *strictyaml.Node, v reflect.Value, _ string) {
	var words []string
	for _, item := range n.List(d.faults) {
		s, ok := d.text(item)
		if c := checkText(s); ok && c.code != "" {
			d.fault(item, c.code, fmt.Sprintf("%q %s", s, c.text), c.hint)
		}
		words = append(words, s)
	}
	v.Set(reflect.ValueOf(words))
}

// readURL reads a plain http or https URL. Like readEndpoint it repeats nothing.
func readURL(d *decoder, n *strictyaml.Node, v reflect.Value, _ string) {
	s, ok := d.text(n)
	if !ok {
		return
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || !isHost(u.Hostname()) || u.User != nil || u.Fragment != "" {
		d.fault(n, "E504", "this is not a URL to POST to", "write http://HOST:PORT/PATH, without a user")
		return
	}
	v.SetString(s)
}
