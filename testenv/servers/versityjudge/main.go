// SPDX-License-Identifier: Apache-2.0

// Command versity runs the black-box tests that versitygw ships, against any S3
// endpoint, and writes one line of JSON for each: {"name", "ok", "error"}.
//
// A test that panics has failed; the others go on. The tests name their buckets
// by a counter of the process, so one process runs them all.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/versity/versitygw/tests/integration"
)

// result is one line of the output.
type result struct {
	Name  string `json:"name"`
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
}

func main() {
	endpoint := flag.String("endpoint", "", "URL of the server under test")
	only := flag.String("only", "", "comma-separated prefixes of the tests to run; absent is all that concern S3 itself")
	but := flag.String("but", "", "comma-separated prefixes of tests that are not run all the same")
	list := flag.Bool("list", false, "print the names and end")
	file := flag.String("out", "/dev/stdout", "file of the results")
	limit := flag.Duration("limit", time.Minute, "after which one test counts as failed")
	flag.Parse()
	tests := integration.GetIntTests()
	names := chosen(tests, *only, *but)
	if *list {
		fmt.Println(strings.Join(names, "\n"))
		return
	}
	conf := integration.NewS3Conf(
		integration.WithEndpoint(*endpoint), integration.WithRegion("us-east-1"),
		integration.WithAccess(os.Getenv("AWS_ACCESS_KEY_ID")), integration.WithSecret(os.Getenv("AWS_SECRET_ACCESS_KEY")),
	)
	results, err := os.Create(*file)
	if err != nil {
		fmt.Fprintln(os.Stderr, "opening the results:", err)
		os.Exit(1)
	}
	out := json.NewEncoder(results)
	for _, name := range names {
		if err := out.Encode(judge(name, tests[name], conf, *limit)); err != nil {
			fmt.Fprintln(os.Stderr, "writing a result:", err)
			os.Exit(1)
		}
	}
}

// others are about what is beside S3: versitygw's own accounts and its IAM
// server, websites, and forms.
var others = []string{"IAM", "S3IAM", "S3WebIdentity", "WebsiteHosting_", "RouterIAM"}

func chosen(tests integration.IntTests, only, but string) []string {
	var names []string
	for name := range tests {
		switch {
		case only == "" && begins(name, others), but != "" && begins(name, strings.Split(but, ",")):
		case only == "" || begins(name, strings.Split(only, ",")):
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func begins(name string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}

// judge runs one test; what it does after its time is up is not looked at.
func judge(name string, test integration.IntTest, conf *integration.S3Conf, limit time.Duration) result {
	done := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				done <- fmt.Errorf("panic: %v", p)
			}
		}()
		done <- test(conf)
	}()
	select {
	case err := <-done:
		if err != nil {
			return result{Name: name, Error: err.Error()}
		}
		return result{Name: name, OK: true}
	case <-time.After(limit):
		return result{Name: name, Error: "not done after " + limit.String()}
	}
}
