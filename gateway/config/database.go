// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/sealgate/sealgate/gateway/internal/strictyaml"
)

// State says where the state database is.
type State struct {
	Postgres Postgres `yaml:"postgres" doc:"{url: ..., password: {file: PATH}}: one database for all replicas; absent is SQLite in the data directory"`
}

// Postgres is a PostgreSQL database. Its zero value is none.
type Postgres struct {
	URL      string `yaml:"url" as:"database" need:"true" doc:"postgres://USER@HOST[:PORT]/DATABASE?sslmode=verify-full, without a password"`
	Password Secret `yaml:"password" doc:"{file: PATH}: read again at each new connection; absent with a client certificate (sslcert, sslkey)"`
}

// DatabaseParameters are those that the URL of a database may have: the ones
// that package state takes.
var DatabaseParameters = []string{
	"sslmode", "sslrootcert", "sslcert", "sslkey", "host", "connect_timeout", "application_name", "target_session_attrs",
	"channel_binding", "search_path", "default_query_exec_mode",
}

const databaseForm = "write postgres://USER@HOST[:PORT]/DATABASE?sslmode=verify-full"

// readDatabase reads the URL of a PostgreSQL database. It never repeats it:
// people put passwords there.
func readDatabase(d *decoder, n *strictyaml.Node, v reflect.Value, _ string) {
	s, ok := d.text(n)
	if !ok {
		return
	}
	if c := checkDatabase(s); c.code != "" {
		d.fault(n, c.code, c.text, c.hint)
		return
	}
	v.SetString(s)
}

func checkDatabase(s string) complaint {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" || u.Opaque != "" || u.Fragment != "" {
		return complaint{"E504", "this is not the URL of a PostgreSQL database", databaseForm}
	}
	if _, has := u.User.Password(); has {
		return complaint{"E516", "a password is never written here", "write password: {file: PATH} beside url, and change the password if this was it"}
	}
	name, ok := strings.CutPrefix(u.Path, "/")
	if u.User.Username() == "" || !ok || name == "" || strings.Contains(name, "/") || u.Port() != "" && !isPort(u.Port()) {
		return complaint{"E504", "this URL does not name a user and a database", databaseForm}
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return complaint{"E504", "the parameters of this URL cannot be read", "write name=value, with & in between"}
	}
	for _, check := range []func(*url.URL, url.Values) complaint{checkParameters, checkHosts, checkSSL} {
		if c := check(u, q); c.code != "" {
			return c
		}
	}
	return complaint{}
}

func checkParameters(_ *url.URL, q url.Values) complaint {
	for _, name := range slices.Sorted(maps.Keys(q)) {
		values := q[name]
		switch {
		case name == "password" || name == "sslpassword":
			return complaint{"E516", "a password is never written here", "write password: {file: PATH} beside url, and change the password if this was it"}
		case !slices.Contains(DatabaseParameters, name):
			return complaint{"E504", fmt.Sprintf("a parameter %q is not possible here", name), strictyaml.DidYouMean(name, DatabaseParameters)}
		case len(values) > 1 || values[0] == "":
			return complaint{"E504", fmt.Sprintf("parameter %s needs one value", name), ""}
		}
	}
	for _, name := range []string{"sslrootcert", "sslcert", "sslkey"} {
		if q.Has(name) && !filepath.IsAbs(q.Get(name)) {
			return complaint{"E505", fmt.Sprintf("parameter %s is not a whole path", name), "write /PATH/FILE.pem"}
		}
	}
	if q.Has("sslcert") != q.Has("sslkey") {
		return complaint{"E515", "sslcert and sslkey go together", ""}
	}
	if n, err := strconv.ParseUint(q.Get("connect_timeout"), 10, 8); q.Has("connect_timeout") && (err != nil || n == 0) {
		return complaint{"E513", "connect_timeout is out of bounds", "1 to 255 seconds are possible"}
	}
	return complaint{}
}

// checkHosts: one host, or several with a comma in between, or the folder of a
// unix socket as the parameter host.
func checkHosts(u *url.URL, q url.Values) complaint {
	if dir := q.Get("host"); dir != "" {
		if u.Host != "" || !filepath.IsAbs(dir) {
			return complaint{"E504", "the parameter host is the folder of a unix socket, instead of a host", "write postgres://USER@/DATABASE?host=/run/postgresql&sslmode=disable"}
		}
		return complaint{}
	}
	for host := range strings.SplitSeq(u.Hostname(), ",") {
		if !isHost(host) {
			return complaint{"E504", "this URL does not name a host", databaseForm}
		}
	}
	return complaint{}
}

// checkSSL: who answers for the database decides which keyring records are the
// right ones. So it has to prove who it is, unless it is on this machine.
func checkSSL(u *url.URL, q url.Values) complaint {
	local := q.Has("host")
	if !local {
		local = !slices.ContainsFunc(strings.Split(u.Hostname(), ","), func(h string) bool { return !isLoopback(h) })
	}
	const verify = "write sslmode=verify-full, with sslrootcert=/PATH for an authority of your own"
	switch mode := q.Get("sslmode"); mode {
	case "verify-full":
	case "verify-ca":
		if !q.Has("sslrootcert") {
			return complaint{"E515", "sslmode=verify-ca needs the one authority that it trusts", "add sslrootcert=/PATH, or write sslmode=verify-full"}
		}
	case "disable", "require":
		if !local {
			return complaint{"E515", fmt.Sprintf("sslmode=%s does not check who answers", mode), verify + "; " + mode + " is for this machine"}
		}
	case "":
		return complaint{"E007", "sslmode is missing", verify}
	case "allow", "prefer":
		return complaint{"E514", fmt.Sprintf("sslmode=%s lets the other side choose", mode), verify}
	default:
		return complaint{"E514", fmt.Sprintf("sslmode=%q is not possible", mode), verify}
	}
	return complaint{}
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
