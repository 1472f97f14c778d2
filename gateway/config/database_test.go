// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sealgate/sealgate/gateway/config"
	"github.com/sealgate/sealgate/gateway/state"
)

// Each URL with what is wrong with it; "" is nothing. No fault repeats it.
func TestDatabaseURLs(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	for url, want := range map[string]string{
		"postgres://sealgate@pg.acme.ai/sealgate?sslmode=verify-full":                           "",
		"postgresql://sealgate@pg:5433/sealgate?sslmode=verify-full":                            "",
		"postgres://s@pg1,pg2/s?sslmode=verify-full&target_session_attrs=read-write":            "",
		"postgres://s@pg/s?sslmode=verify-ca&sslrootcert=/etc/ca.pem":                           "",
		"postgres://s@pg/s?sslmode=verify-full&sslcert=/a.pem&sslkey=/k.pem":                    "",
		"postgres://s@127.0.0.1:5432/s?sslmode=disable":                                         "",
		"postgres://s@localhost/s?sslmode=require":                                              "",
		"postgres://s@[::1]:5432/s?sslmode=disable":                                             "",
		"postgres://s@/s?host=/run/postgresql&sslmode=disable":                                  "",
		"postgres://s@pg/s?sslmode=verify-full&connect_timeout=10&default_query_exec_mode=exec": "",
		"postgres://sealgate:" + secret + "@pg/sealgate?sslmode=verify-full":                    "E516",
		"postgres://sealgate:@pg/sealgate?sslmode=verify-full":                                  "E516",
		"postgres://sealgate:a@" + secret + "@pg/sealgate?sslmode=verify-full":                  "E516",
		"postgres://sealgate:a/" + secret + "@pg/sealgate?sslmode=verify-full":                  "E504",
		"postgres://s@pg/s?sslmode=verify-full&password=" + secret:                              "E516",
		"postgres://s@pg/s?sslmode=verify-full&pass%77ord=" + secret:                            "E516",
		"postgres://s@pg/s?sslmode=verify-full&sslpassword=" + secret:                           "E516",
		"postgres://s@pg/s?sslmode=verify-full&passfile=/root/.pgpass":                          `E504: state.postgres.url: a parameter "passfile"`,
		"postgres://s@pg/s?sslmode=verify-full&sslrootcrt=/a":                                   `did you mean "sslrootcert"`,
		"postgres://s@pg/s?sslmode=verify-full&sslmode=disable":                                 "one value",
		"postgres://s@pg/s?sslmode=verify-full&search_path=":                                    "one value",
		"postgres://s@pg/s?sslmode=verify-full&sslcert=/a.pem":                                  "E515",
		"postgres://s@pg/s?sslmode=verify-full&sslrootcert=ca.pem":                              "E505",
		"postgres://s@pg/s?sslmode=verify-full&connect_timeout=0":                               "E513",
		"postgres://s@pg/s?sslmode=verify-full&connect_timeout=x":                               "E513",
		"postgres://s@pg/s?sslmode=verify-full;search_path=x":                                   "cannot be read",
		"postgres://s@pg/s":                                      "sslmode is missing; write sslmode=verify-full",
		"postgres://s@pg/s?sslmode=":                             "one value",
		"postgres://s@pg/s?sslmode=prefer":                       "E514: state.postgres.url: sslmode=prefer lets the other side choose",
		"postgres://s@localhost/s?sslmode=allow":                 "E514",
		"postgres://s@pg/s?sslmode=full":                         `sslmode="full" is not possible`,
		"postgres://s@pg/s?sslmode=disable":                      "sslmode=disable does not check who answers",
		"postgres://s@pg/s?sslmode=require":                      "sslmode=require does not check who answers",
		"postgres://s@127.0.0.1,pg/s?sslmode=disable":            "E515",
		"postgres://s@pg/s?sslmode=verify-ca":                    "E515",
		"postgres://s@pg/s?host=/run/postgresql&sslmode=disable": "folder of a unix socket",
		"postgres://s@/s?host=pg&sslmode=disable":                "folder of a unix socket",
		"postgres://s@/s?sslmode=disable":                        "does not name a host",
		"postgres://s@pg,/s?sslmode=verify-full":                 "does not name a host",
		"postgres://s@pg:0x1/s?sslmode=verify-full":              "E504",
		"postgres://s@pg:99999/s?sslmode=verify-full":            "E504",
		"postgres://pg/s?sslmode=verify-full":                    "a user and a database",
		"postgres://s@pg?sslmode=verify-full":                    "a user and a database",
		"postgres://s@pg/?sslmode=verify-full":                   "a user and a database",
		"postgres://s@pg/s/t?sslmode=verify-full":                "a user and a database",
		"postgres://s@pg/s?sslmode=verify-full#x":                "not the URL",
		"mysql://s@pg/s":                                         "not the URL",
		"host=pg user=s password=" + secret:                      "not the URL",
		"postgres:s@pg/s":                                        "not the URL",
		"postgres://s@[pg/" + secret:                             "not the URL",
	} {
		src := fmt.Sprintf("version: 1\nstate: {postgres: {url: %q}}\n", url)
		c, faults := config.Load("/etc/s.yaml", []byte(src), "/data")
		var text string
		for _, f := range faults {
			text += f.String() + "\n"
		}
		switch {
		case want == "" && (c == nil || c.State.Postgres.URL != url):
			t.Errorf("%s: %s", url, text)
		case want != "" && (c != nil || len(faults) != 1 || !strings.Contains(text, want)):
			t.Errorf("%s: want %q, got %s", url, want, text)
		case strings.Contains(text, secret):
			t.Errorf("%s: the fault repeats it: %s", url, text)
		}
	}
}

// What a configuration may say is what package state takes.
func TestDatabaseParametersAreThoseOfState(t *testing.T) {
	t.Parallel()
	ours, theirs := slices.Sorted(slices.Values(config.DatabaseParameters)), slices.Sorted(slices.Values(state.URLParameters))
	if diff := cmp.Diff(ours, theirs); diff != "" {
		t.Error(diff)
	}
}

// The password is read again by itself; where the database is takes a restart.
func TestChangesOfTheDatabase(t *testing.T) {
	t.Parallel()
	old := load(t, "testdata/good/acme.yaml")
	next := *old
	next.State.Postgres.URL += "&connect_timeout=3"
	next.State.Postgres.Password.File = "/elsewhere"
	want := config.Changes{Restart: []string{"state.postgres.url", "state.postgres.password.file"}}
	if diff := cmp.Diff(want, config.Diff(old, &next)); diff != "" {
		t.Error(diff)
	}
}
