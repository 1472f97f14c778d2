// SPDX-License-Identifier: Apache-2.0

package servers

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// nginxConfig is a TLS proxy that does nothing but pass on, tuned as well as it
// goes: large buffers towards the client, none of a request, connections to
// the server kept.
const nginxConfig = `daemon off;
worker_processes 2;
pid nginx.pid;
error_log stderr warn;
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  client_max_body_size 0;
  keepalive_requests 100000;
  upstream store { server %[1]s; keepalive 128; }
  server {
    listen %[2]s ssl;
    ssl_certificate certs/public.crt;
    ssl_certificate_key certs/private.key;
    ssl_protocols TLSv1.3;
    ssl_session_tickets off;
    location / {
      proxy_pass http://store;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_buffering on;
      proxy_buffers 16 256k;
      proxy_buffer_size 256k;
      proxy_busy_buffers_size 512k;
      proxy_max_temp_file_size 0;
      proxy_request_buffering off;
    }
  }
}
`

// Nginx returns an nginx of its own for the test: a TLS proxy in front of s that
// does nothing else. Of the result, Endpoint and CAFile are its own, the rest
// is that of s.
func Nginx(tb testing.TB, s *Server) *Server {
	tb.Helper()
	notShort(tb)
	binary := installed(tb, "nginx", "nginx-light")
	p := prepare(tb, kind{name: "nginx", health: s.kind.health})
	p.Endpoint, p.CAFile = "https://"+p.addr, filepath.Join(p.dir, "certs", "public.crt")
	p.AccessKey, p.SecretKey, p.Region, p.DataDir = s.AccessKey, s.SecretKey, s.Region, s.DataDir
	writeCertificate(tb, filepath.Dir(p.CAFile))
	config := filepath.Join(p.dir, "nginx.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, nginxConfig, s.addr, p.addr), 0o600); err != nil {
		tb.Fatal(err)
	}
	p.launchBinary(tb, binary, "-p", p.dir, "-c", config, "-e", "stderr")
	tb.Cleanup(p.end)
	return p
}
