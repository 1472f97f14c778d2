// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"os"
	"path/filepath"
	"strings"
)

// setting is a value with the place it was read from.
type setting struct{ value, from string }

func (s setting) given() bool { return s.value != "" }

// settings are what a client would work with.
type settings struct {
	endpoint      setting
	accessKey     setting
	secret, token setting // values are never shown
	provider      setting // of keys that are fetched: "credential_process", ...
	ca            setting // file of trusted roots
	style         setting // addressing: path, virtual, auto
	signature     setting
	checksums     []setting
	profile       setting
}

// aws reads what AWS's SDKs and all that is built on them read. endpoints are
// variables of the client's own that name the endpoint, before AWS's.
func (l *look) aws(endpoints ...string) settings {
	var s settings
	profile := l.variable("AWS_PROFILE", "AWS_DEFAULT_PROFILE")
	name := profile.value
	if name == "" {
		name = "default"
	}
	s.profile = profile
	config, services := l.awsProfile(name)
	file := l.awsFile("AWS_CONFIG_FILE", "config")
	inFile := func(key string) setting {
		if config[key] == "" {
			return setting{}
		}
		return setting{config[key], file + " [" + name + "]"}
	}
	s.endpoint = l.variable(endpoints...)
	if ignored := strings.EqualFold(l.Getenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"), "true"); !ignored {
		s.endpoint = first(s.endpoint, l.variable("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"), setting{services, file}, inFile("endpoint_url"))
	}
	s.keys(l, inFile)
	s.ca = first(l.variable("AWS_CA_BUNDLE"), inFile("ca_bundle"), l.variable("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"))
	s.style, s.signature = inFile("s3.addressing_style"), first(inFile("s3.signature_version"), inFile("signature_version"))
	s.checksums = []setting{
		first(l.variable("AWS_REQUEST_CHECKSUM_CALCULATION"), inFile("request_checksum_calculation")),
		first(l.variable("AWS_RESPONSE_CHECKSUM_VALIDATION"), inFile("response_checksum_validation")),
	}
	return s
}

// keys finds what requests would be signed with. Variables win over files, as
// they do with every SDK.
func (s *settings) keys(l *look, inFile func(string) setting) {
	if key := l.variable("AWS_ACCESS_KEY_ID"); key.given() {
		s.accessKey, s.secret, s.token = key, l.variable("AWS_SECRET_ACCESS_KEY"), l.variable("AWS_SESSION_TOKEN")
		return
	}
	if key := inFile("aws_access_key_id"); key.given() {
		s.accessKey, s.secret, s.token = key, inFile("aws_secret_access_key"), inFile("aws_session_token")
		return
	}
	for _, way := range []setting{
		inFile("credential_process"), l.variable("AWS_WEB_IDENTITY_TOKEN_FILE"), l.variable("AWS_CONTAINER_CREDENTIALS_FULL_URI"),
	} {
		if way.given() {
			s.provider = way
			return
		}
	}
}

// awsProfile gives a profile, its credentials file over its config file, and
// the endpoint that its services section names.
func (l *look) awsProfile(name string) (profile map[string]string, service string) {
	profile = map[string]string{}
	path := l.awsFile("AWS_CONFIG_FILE", "config")
	config, err := readINI(path)
	if err != nil {
		l.wrong(path, "it cannot be read: "+err.Error(), "mend its permissions, or set AWS_CONFIG_FILE")
	}
	section := config["profile "+name]
	if name == "default" && section == nil {
		section = config["default"]
	}
	for k, v := range section {
		profile[k] = v
	}
	secrets := l.awsFile("AWS_SHARED_CREDENTIALS_FILE", "credentials")
	credentials, err := readINI(secrets)
	if err != nil {
		l.wrong(secrets, "it cannot be read: "+err.Error(), "mend its permissions, or set AWS_SHARED_CREDENTIALS_FILE")
	}
	for k, v := range credentials[name] {
		profile[k] = v
	}
	if name != "default" && section == nil && credentials[name] == nil {
		l.wrong("AWS_PROFILE", "there is no profile "+name+" in "+path+" or "+secrets, "unset AWS_PROFILE, or write the profile")
	}
	if services := profile["services"]; services != "" {
		service = config["services "+services]["s3.endpoint_url"]
	}
	return profile, service
}

func (l *look) awsFile(variable, name string) string {
	if path := l.Getenv(variable); path != "" {
		return path
	}
	return filepath.Join(l.Home, ".aws", name)
}

// variable gives the first variable that is set.
func (l *look) variable(names ...string) setting {
	for _, n := range names {
		if v := l.Getenv(n); v != "" {
			return setting{v, n}
		}
	}
	return setting{}
}

// first gives the first setting that is given.
func first(all ...setting) setting {
	for _, s := range all {
		if s.given() {
			return s
		}
	}
	return setting{}
}

// checkAWS looks at what has one right spelling, or breaks whatever the way in.
func (l *look) checkAWS(s settings) {
	for _, c := range s.checksums {
		if v := strings.ToLower(c.value); c.given() && v != "when_supported" && v != "when_required" {
			l.wrong(c.from, "no SDK knows the checksum setting "+c.value, "write when_supported or when_required; Sealgate takes both")
		}
	}
	if s.signature.given() && s.signature.value != "s3v4" && s.signature.value != "v4" {
		l.wrong(s.signature.from, "signature_version is "+s.signature.value+"; Sealgate takes version 4 alone", "write signature_version = s3v4")
	}
	if s.style.value == "virtual" {
		l.wrong(s.style.from, "addressing_style is virtual: the bucket would be sought in DNS", "write addressing_style = path, or give the gateway a domain (listeners.s3_mtls.domain)")
	}
	if s.ca.given() {
		if _, err := os.Stat(s.ca.value); err != nil {
			l.wrong(s.ca.from, "the file "+s.ca.value+" cannot be read", "unset it, or name the trust bundle")
		}
	}
	if l.Getenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") != "" && !strings.EqualFold(l.Getenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"), "false") {
		l.wrong("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "it makes SDKs overlook the endpoint", "unset it")
	}
}
