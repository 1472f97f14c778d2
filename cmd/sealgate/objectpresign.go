// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealgate/sealgate/gateway/s3api"
)

// presignOptions shape a presigned URL.
type presignOptions struct {
	method, sessions string
	expires          time.Duration
	ifAbsent         bool
}

func (a *app) objectPresignCmd() *cobra.Command {
	var o presignOptions
	c := &cobra.Command{
		Use: "presign PATH", Short: "Print a URL that works for somebody without a certificate, for a while", Args: exactly("BUCKET/KEY"),
		ValidArgsFunction: a.completePaths(0),
		Long: `Prints a URL that holds for --expires: whoever has it may do with this one object
what --method says, as long as you may. It is decided again at each use; a denial
or a change of policy ends it at once, and so does the end of your certificate.
The gateway needs listeners.s3_session_keys.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := parseObject(args[0])
			if err != nil {
				return err
			}
			return a.objectPresign(cmd.Context(), p, o)
		},
	}
	c.Flags().DurationVar(&o.expires, "expires", 10*time.Minute, "how `long` it holds, at most 1h")
	c.Flags().StringVar(&o.method, "method", http.MethodGet, "`GET`, HEAD or PUT")
	c.Flags().BoolVar(&o.ifAbsent, "if-absent", false, "PUT only if no object is there: who uses it sends \"If-None-Match: *\"")
	c.Flags().StringVar(&o.sessions, "session-endpoint", "", "`URL` of the listener for session keys; default the host of --endpoint, port 9444")
	return c
}

// presignResult is what `object presign --json` prints.
type presignResult struct {
	URL     string    `json:"url"`
	Method  string    `json:"method"`
	Path    string    `json:"path"`
	Expires time.Time `json:"expires"`
	Header  []string  `json:"header"` // that whoever uses it must send
}

// presignVerbs are the actions that a session for one request needs.
var presignVerbs = map[string]string{
	http.MethodGet: "s3:GetObject", http.MethodHead: "s3:GetObject", http.MethodPut: "s3:PutObject",
}

func (a *app) objectPresign(ctx context.Context, p objectPath, o presignOptions) error {
	lasts := o.expires.Truncate(time.Second)
	switch {
	case lasts < time.Second || lasts > time.Hour:
		return usage("write a duration from 1s to 1h, as in 10m", "--expires %s", o.expires)
	case presignVerbs[o.method] == "":
		return usage("write GET, HEAD or PUT", "--method %q", o.method)
	case o.ifAbsent && o.method != http.MethodPut:
		return usage("it goes with --method PUT", "--if-absent with --method %s", o.method)
	}
	base, err := a.sessionURL(o.sessions)
	if err != nil {
		return err
	}
	client, err := a.objects(ctx)
	if err != nil {
		return err
	}
	c, end, err := client.assume(ctx, "presign "+p.String(), p, presignVerbs[o.method], lasts)
	if err != nil {
		return err
	}
	now := time.Now()
	if left := end.Sub(now).Truncate(time.Second); left < lasts {
		fmt.Fprintf(a.stderr, "the URL holds for %s only: its session ends with this certificate\n", left)
		lasts = left
	}
	return a.printPresigned(p, o, base, c, now, lasts)
}

func (a *app) printPresigned(p objectPath, o presignOptions, base *url.URL, c s3api.Credentials, now time.Time, lasts time.Duration) error {
	h, needs := http.Header{}, []string{}
	if o.ifAbsent {
		h.Set("If-None-Match", "*")
		needs = append(needs, "If-None-Match: *")
	}
	u, err := url.Parse(base.String() + "/" + p.escape())
	if err != nil {
		return usage("", "presign %s: %w", p, err)
	}
	signed, err := s3api.Presign(o.method, u, h, c, "us-east-1", now, lasts)
	if err != nil {
		return fail(exitFailed, err, "")
	}
	if !a.json {
		_, err := fmt.Fprintln(a.stdout, signed)
		return err
	}
	return json.NewEncoder(a.stdout).Encode(presignResult{
		URL: signed.String(), Method: o.method, Path: p.String(), Expires: now.Add(lasts).UTC().Truncate(time.Second), Header: needs,
	})
}

// sessionURL is where clients with session keys connect.
func (a *app) sessionURL(given string) (*url.URL, error) {
	text := given
	if text == "" {
		u, err := url.Parse(a.client.endpoint)
		if err != nil {
			return nil, usage("write https://HOST:PORT", "--endpoint %q", a.client.endpoint)
		}
		text = "https://" + net.JoinHostPort(u.Hostname(), "9444")
	}
	u, err := url.Parse(strings.TrimSuffix(text, "/"))
	if err != nil || u.Scheme != "https" || u.Host == "" || u.Path != "" || u.RawQuery != "" {
		return nil, usage("write https://HOST:PORT", "--session-endpoint %q", given)
	}
	return u, nil
}

// assume has a session of this certificate that may do one thing with one
// object.
func (c *objectClient) assume(ctx context.Context, doing string, p objectPath, action string, lasts time.Duration) (s3api.Credentials, time.Time, error) {
	policy, err := json.Marshal(map[string]any{"Statement": map[string]any{"Effect": "Allow", "Action": action, "Resource": resourceOf(p)}})
	if err != nil {
		return s3api.Credentials{}, time.Time{}, err
	}
	const shortest = 15 * time.Minute // that a session may be asked for
	form := url.Values{
		"Action": {s3api.AssumeRoleWithCertificate}, "Version": {"2011-06-15"}, "Policy": {string(policy)},
		"DurationSeconds": {strconv.Itoa(int(max(lasts, shortest).Seconds()))},
	}.Encode()
	h := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.endpoint+"/", strings.NewReader(form))
	if err != nil {
		return s3api.Credentials{}, time.Time{}, usage("", "%s: %w", doing, err)
	}
	req.Header = h
	resp, err := c.http.Do(req)
	if err != nil {
		return s3api.Credentials{}, time.Time{}, notReached(doing, c.endpoint, err)
	}
	defer resp.Body.Close() //nolint:errcheck // read side
	var answer struct {
		AccessKeyID     string    `xml:"AssumeRoleWithCertificateResult>Credentials>AccessKeyId"`
		SecretAccessKey string    `xml:"AssumeRoleWithCertificateResult>Credentials>SecretAccessKey"`
		SessionToken    string    `xml:"AssumeRoleWithCertificateResult>Credentials>SessionToken"`
		Expiration      time.Time `xml:"AssumeRoleWithCertificateResult>Credentials>Expiration"`
		Message         string    `xml:"Error>Message"`
	}
	err = xml.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&answer)
	switch {
	case resp.StatusCode == http.StatusForbidden:
		return s3api.Credentials{}, time.Time{}, fail(exitDenied, fmt.Errorf("%s: denied: %s", doing, answer.Message), "")
	case resp.StatusCode == http.StatusServiceUnavailable:
		return s3api.Credentials{}, time.Time{}, fail(exitUnavailable, fmt.Errorf("%s: %s", doing, answer.Message), "try again")
	case resp.StatusCode != http.StatusOK || err != nil || answer.AccessKeyID == "":
		return s3api.Credentials{}, time.Time{}, fail(exitFailed, fmt.Errorf("%s: the gateway answered %s %s", doing, resp.Status, answer.Message), "")
	}
	return s3api.Credentials{
		AccessKey: answer.AccessKeyID, Secret: s3api.Secret(answer.SecretAccessKey), Token: s3api.Secret(answer.SessionToken),
	}, answer.Expiration, nil
}

// resourceOf is the object as a session's policy names it: exactly, or where
// its key has letters that mean something there, its directory.
func resourceOf(p objectPath) string {
	arn := "arn:aws:s3:::" + p.bucket + "/"
	if !strings.ContainsAny(p.key, "*?") && !strings.Contains(p.key, "${") {
		return arn + p.key
	}
	dir := p.key[:strings.IndexAny(p.key, "*?$")]
	return arn + dir[:strings.LastIndexByte(dir, '/')+1] + "*"
}
