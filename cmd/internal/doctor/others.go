// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"encoding/json"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

func splitPath(path string) (bucket, key string) {
	bucket, key, _ = strings.Cut(path, "/")
	return bucket, key
}

func readMLflow(l *look) settings { return l.aws("MLFLOW_S3_ENDPOINT_URL") }

func checkMLflow(l *look, s settings) {
	if v := l.Getenv("MLFLOW_S3_IGNORE_TLS"); v != "" && strings.HasPrefix(s.endpoint.value, "https:") {
		l.wrong("MLFLOW_S3_IGNORE_TLS", "the gateway's certificate is not checked: anyone may stand in for it", "unset it, and set AWS_CA_BUNDLE to the trust bundle")
	}
	extra := l.Getenv("MLFLOW_S3_UPLOAD_EXTRA_ARGS")
	if extra == "" {
		return
	}
	var args map[string]any
	if json.Unmarshal([]byte(extra), &args) != nil {
		l.wrong("MLFLOW_S3_UPLOAD_EXTRA_ARGS", "it is not a JSON object", "unset it, or write one")
		return
	}
	l.checkUploadArgs("MLFLOW_S3_UPLOAD_EXTRA_ARGS", args)
}

// checkUploadArgs refuses what the gateway refuses of uploads.
func (l *look) checkUploadArgs(where string, args map[string]any) {
	for name, v := range args {
		switch low := strings.ToLower(strings.ReplaceAll(name, "_", "")); {
		case strings.HasPrefix(low, "ssecustomer"):
			l.wrong(where, name+": the gateway holds the keys and takes none of yours", "take it out")
		case low == "acl" && v != "private" && v != "bucket-owner-full-control", strings.HasPrefix(low, "grant"):
			l.wrong(where, name+": access is decided by policy, not by ACLs", "take it out")
		}
	}
}

func readArrow(l *look) settings {
	s := l.aws()
	s.ca = l.variable("SSL_CERT_FILE")
	return s
}

func readTorch(l *look) settings {
	s := l.aws()
	s.ca = setting{}
	return s
}

func readS5cmd(l *look) settings {
	s := l.aws()
	s.endpoint = l.variable("S3_ENDPOINT_URL") // it reads none of AWS's
	return s
}

func readCurl(l *look) settings {
	s := l.aws()
	s.ca = l.variable("CURL_CA_BUNDLE", "SSL_CERT_FILE")
	return s
}

// readDVC reads the remotes of the repository here; the one that `core.remote`
// names, else the first on S3.
func readDVC(l *look) settings {
	s := l.aws()
	remote, from := l.dvcRemote()
	if v := remote["endpointurl"]; v != "" {
		s.endpoint = setting{v, from}
	}
	return s
}

func (l *look) dvcRemote() (remote map[string]string, from string) {
	remote = map[string]string{}
	wanted := ""
	for _, name := range []string{"config", "config.local"} {
		path := filepath.Join(l.Dir, ".dvc", name)
		file, err := readINI(path)
		if err != nil {
			l.wrong(path, "it cannot be read: "+err.Error(), "mend its permissions")
			continue
		}
		if v := file["core"]["remote"]; v != "" {
			wanted = v
		}
		for _, section := range sectionsOf(file) {
			named := strings.Trim(strings.TrimPrefix(strings.Trim(section, "'"), "remote "), `"`)
			if wanted != "" && named != wanted || !strings.HasPrefix(section, "'remote") {
				continue
			}
			if u := file[section]["url"]; u != "" && !strings.HasPrefix(u, "s3") {
				continue
			}
			for k, v := range file[section] {
				remote[k] = v
			}
			from = path + " [" + section + "]"
		}
	}
	return remote, from
}

func sectionsOf(file ini) []string {
	var names []string
	for s := range file {
		names = append(names, s)
	}
	slices.Sort(names)
	return names
}

func checkDVC(l *look, _ settings) {
	remote, from := l.dvcRemote()
	args := map[string]any{}
	for k, v := range remote {
		args[k] = v
	}
	l.checkUploadArgs(from, args)
	if v := remote["ssl_verify"]; v == "false" {
		l.wrong(from, "ssl_verify is false: anyone may stand in for the gateway", "take it out, or name the trust bundle there")
	}
}

// readRclone reads the remote that the environment defines, else the first of
// kind s3 in rclone's file.
func readRclone(l *look) settings {
	s := l.aws()
	s.endpoint, s.style, s.signature = setting{}, setting{}, setting{}
	s.ca = l.variable("RCLONE_CA_CERT")
	remote, from := l.rcloneRemote()
	at := func(key string) setting {
		if remote[key] == "" {
			return setting{}
		}
		return setting{remote[key], from + key}
	}
	s.endpoint = at("endpoint")
	if key := at("access_key_id"); key.given() {
		s.accessKey, s.secret, s.token, s.provider = key, at("secret_access_key"), at("session_token"), setting{}
	} else if remote["env_auth"] != "true" {
		s.accessKey, s.provider = setting{}, setting{}
	}
	return s
}

// rcloneRemote gives the keys of a remote in lower case, and what to call it.
func (l *look) rcloneRemote() (remote map[string]string, from string) {
	const prefix = "RCLONE_CONFIG_SEALGATE_"
	remote = map[string]string{}
	for _, key := range []string{"type", "provider", "endpoint", "env_auth", "access_key_id", "secret_access_key", "session_token", "force_path_style", "use_multipart_etag"} {
		if v := l.Getenv(prefix + strings.ToUpper(key)); v != "" {
			remote[key] = v
		}
	}
	if len(remote) > 0 {
		return remote, prefix
	}
	path := l.Getenv("RCLONE_CONFIG")
	if path == "" {
		path = filepath.Join(l.Home, ".config", "rclone", "rclone.conf")
	}
	file, err := readINI(path)
	if err != nil {
		l.wrong(path, "it cannot be read: "+err.Error(), "mend its permissions, or set RCLONE_CONFIG")
		return remote, path
	}
	for _, section := range sectionsOf(file) {
		if file[section]["type"] == "s3" {
			return file[section], path + " [" + section + "] "
		}
	}
	return remote, path + " "
}

// checkRcloneProvider: what takes the gateway for Amazon itself works only
// where a bucket may stand in the host's name, and an ETag is no MD5.
func checkRcloneProvider(l *look, remote map[string]string, from string) {
	if p := remote["provider"]; len(remote) == 0 || p != "" && !strings.EqualFold(p, "AWS") {
		return
	}
	u, err := url.Parse(remote["endpoint"])
	switch {
	case err != nil || loopback(u.Hostname()) || net.ParseIP(u.Hostname()) != nil:
		l.wrong(from+"provider", "rclone takes it for Amazon itself and puts the bucket into the host name, whatever force_path_style says",
			"write provider = Other, or name the endpoint by a domain: forward.domain of the agent, listeners.s3_mtls.domain of the gateway")
	case remote["use_multipart_etag"] != "false":
		l.wrong(from+"use_multipart_etag", "rclone takes it for Amazon itself, and the ETag of a multipart upload for an MD5", "write use_multipart_etag = false, or provider = Other")
	}
}

func checkRclone(l *look, s settings) {
	remote, from := l.rcloneRemote()
	if t := remote["type"]; t != "" && t != "s3" {
		l.wrong(from+"type", "the remote is of type "+t, "write type = s3")
	}
	checkRcloneProvider(l, remote, from)
	if remote["force_path_style"] == "false" {
		l.wrong(from+"force_path_style", "the bucket would be sought in DNS", "take it out")
	}
	for _, v := range []string{"RCLONE_CLIENT_CERT", "RCLONE_CLIENT_KEY"} {
		if file := l.Getenv(v); file != "" {
			if _, err := os.Stat(file); err != nil {
				l.wrong(v, "the file "+file+" cannot be read", "unset it, or name the SVID's")
			}
		}
	}
	if l.Getenv("AWS_CA_BUNDLE") != "" {
		l.wrong("AWS_CA_BUNDLE", "rclone does not start while it is set (LoadCustomCABundleError)", "unset it for rclone; its own variable is RCLONE_CA_CERT")
	}
	if v := l.Getenv("RCLONE_NO_CHECK_CERTIFICATE"); v == "true" && strings.HasPrefix(s.endpoint.value, "https:") {
		l.wrong("RCLONE_NO_CHECK_CERTIFICATE", "the gateway's certificate is not checked: anyone may stand in for it", "unset it, and set RCLONE_CA_CERT")
	}
}
