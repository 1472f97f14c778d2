// SPDX-License-Identifier: Apache-2.0

package stories

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"

	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/testenv/gate"
	"github.com/sealgate/sealgate/testenv/servers"
)

// site is a gateway whose buckets lie on a real S3 server.
type site struct {
	*gate.Gate
	server     *servers.Server
	buckets    map[string]string // logical -> backend
	credential string            // file
}

// backendOptions are those of a gateway with two buckets at endpoint.
func backendOptions(t *testing.T, s *servers.Server, endpoint, more string) (gate.Options, *site) {
	t.Helper()
	st := &site{server: s, buckets: map[string]string{"models": s.NewBucket(t), "datasets": s.NewBucket(t)}}
	st.credential = filepath.Join(t.TempDir(), "credential")
	writeCredential(t, st.credential, s.AccessKey, s.SecretKey, "")
	if s.CAFile != "" {
		more += ", ca_file: " + s.CAFile
	}
	return gate.Options{Config: map[string]string{
		"backends": fmt.Sprintf("{store: {kind: s3, endpoint: %q, region: %s, credential: {file: %s}%s}}", endpoint, s.Region, st.credential, more),
		"buckets": fmt.Sprintf("{models: {backend: store, bucket: %s}, datasets: {backend: store, bucket: %s}}",
			st.buckets["models"], st.buckets["datasets"]),
	}}, st
}

func newSite(t *testing.T, s *servers.Server) *site {
	t.Helper()
	o, st := backendOptions(t, s, s.Endpoint, "")
	st.Gate = gate.Start(t, o)
	return st
}

func writeCredential(t *testing.T, file, access, secret, session string) {
	t.Helper()
	b, err := json.Marshal(map[string]string{"access_key": access, "secret_key": secret, "session_token": session})
	if err == nil {
		err = os.WriteFile(file+".new", b, 0o600)
	}
	if err == nil {
		err = os.Rename(file+".new", file)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func randomBytes(size int) []byte {
	b := make([]byte, size)
	_, _ = rand.Read(b) // never fails
	return b
}

// secretMark stands in client metadata, where the backend must not see it.
const secretMark = "known-only-to-clients"

func (s *site) put(t *testing.T, c *http.Client, path string, data []byte, header http.Header) gate.Answer {
	t.Helper()
	return s.Do(t, c, http.MethodPut, "/"+path, bytes.NewReader(data), int64(len(data)), header)
}

func (s *site) get(t *testing.T, c *http.Client, path string, header http.Header) gate.Answer {
	t.Helper()
	return s.Do(t, c, http.MethodGet, "/"+path, nil, 0, header)
}

// TestS3Backends does everything that clients do through gateways whose
// backends are real, then opens all that the backends hold with no gateway
// left.
func TestS3Backends(t *testing.T) {
	t.Parallel()
	for name, server := range map[string]func(testing.TB) *servers.Server{
		"versitygw": servers.Versitygw, "minio": servers.MinIO, "minio with TLS": servers.MinIOTLS,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, server(t))
			objects := s.fill(t)
			s.conditions(t)
			s.listAndDelete(t, objects)
			s.backendSeesNothing(t, objects)
			if code := s.Stop(t); code != 0 {
				t.Fatalf("stopping: exit code %d: %s", code, s.Log())
			}
			if _, err := audit.Verify(s.AuditDir(), audit.VerifyOptions{}); err != nil {
				t.Error(err)
			}
			s.opensOffline(t, objects)
		})
	}
}

// fill puts objects of several sizes and reads them back whole and in ranges.
func (s *site) fill(t *testing.T) map[string][]byte {
	t.Helper()
	c := s.Client(t, "/writer")
	objects := map[string][]byte{}
	for _, size := range []int{0, 1, 65536, 65537, 3<<20 + 7} {
		for _, bucket := range []string{"models", "datasets"} {
			path, data := fmt.Sprintf("%s/a b+%%25/%d.bin", bucket, size), randomBytes(size)
			path = strings.ReplaceAll(path, " ", "%20")
			h := http.Header{"X-Amz-Meta-Note": {secretMark}, "Content-Type": {"text/x-" + secretMark}}
			if a := s.put(t, c, path, data, h); a.Status != http.StatusOK {
				t.Fatalf("put %s: %d %s", path, a.Status, a.Body)
			}
			objects[path] = data
		}
	}
	for path, data := range objects {
		a := s.get(t, c, path, nil)
		if a.Status != http.StatusOK || !bytes.Equal(a.Body, data) || a.Header.Get("X-Amz-Meta-Note") != secretMark {
			t.Errorf("get %s: %d, %d bytes of %d, note %q", path, a.Status, len(a.Body), len(data), a.Header.Get("X-Amz-Meta-Note"))
		}
		if len(data) < 3<<20 {
			continue
		}
		for _, r := range [][2]int{{0, 0}, {65535, 65536}, {131072, 262143}, {1 << 20, 2 << 20}, {len(data) - 1, len(data) - 1}} {
			a := s.get(t, c, path, http.Header{"Range": {fmt.Sprintf("bytes=%d-%d", r[0], r[1])}})
			if a.Status != http.StatusPartialContent || !bytes.Equal(a.Body, data[r[0]:r[1]+1]) {
				t.Errorf("get %s %v: %d, %d bytes", path, r, a.Status, len(a.Body))
			}
		}
	}
	return objects
}

// conditions: what is conditional is decided by the backend itself.
func (s *site) conditions(t *testing.T) {
	t.Helper()
	c := s.Client(t, "/writer")
	const path = "models/conditions/x"
	first := s.put(t, c, path, []byte("first"), http.Header{"If-None-Match": {"*"}})
	again := s.put(t, c, path, []byte("again"), http.Header{"If-None-Match": {"*"}})
	stale := s.put(t, c, path, []byte("stale"), http.Header{"If-Match": {`"00000000000000000000000000000000-1"`}})
	match := s.put(t, c, path, []byte("match"), http.Header{"If-Match": {first.Header.Get("ETag")}})
	old := s.put(t, c, path, []byte("old"), http.Header{"If-Match": {first.Header.Get("ETag")}})
	if first.Status != 200 || again.Status != 412 || stale.Status != 412 || match.Status != 200 || old.Status != 412 {
		t.Errorf("conditional puts: %d %d %d %d %d, want 200 412 412 200 412: %s", first.Status, again.Status, stale.Status, match.Status, old.Status, stale.Body)
	}
	if a := s.get(t, c, path, http.Header{"If-None-Match": {match.Header.Get("ETag")}}); a.Status != http.StatusNotModified {
		t.Errorf("conditional get: %d, want 304", a.Status)
	}
	if a := s.get(t, c, path, nil); string(a.Body) != "match" {
		t.Errorf("after conditional puts it holds %q", a.Body)
	}
}

func (s *site) listAndDelete(t *testing.T, objects map[string][]byte) {
	t.Helper()
	c := s.Client(t, "/writer")
	list := func(query string) string {
		a := s.Do(t, c, http.MethodGet, "/models?list-type=2&"+query, nil, 0, nil)
		if a.Status != http.StatusOK {
			t.Fatalf("list: %d %s", a.Status, a.Body)
		}
		return string(a.Body)
	}
	all := list("")
	if n := strings.Count(all, "<Key>"); n != len(objects)/2+1 || strings.Contains(all, ".sealgate") {
		t.Errorf("list: %d keys, want %d, nothing of our own: %s", n, len(objects)/2+1, all)
	}
	if top := list("delimiter=/"); strings.Count(top, "<CommonPrefixes>") != 2 || strings.Contains(top, "<Key>") {
		t.Errorf("list with delimiter: %s", top)
	}
	if page := list("max-keys=2"); strings.Count(page, "<Key>") != 2 || !strings.Contains(page, "<NextContinuationToken>") {
		t.Errorf("first page: %s", page)
	}
	if a := s.Do(t, c, http.MethodDelete, "/models/conditions/x", nil, 0, nil); a.Status != http.StatusNoContent {
		t.Errorf("delete: %d", a.Status)
	}
	if a := s.get(t, c, "models/conditions/x", nil); a.Status != http.StatusNotFound {
		t.Errorf("get after delete: %d", a.Status)
	}
}

// stored reads one object as the backend holds it.
func (s *site) stored(t *testing.T, bucket, key string) (minio.ObjectInfo, []byte) {
	t.Helper()
	o, err := s.server.Client(t).GetObject(t.Context(), bucket, key, minio.GetObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	info, err := o.Stat()
	if err != nil {
		t.Fatalf("%s/%s: %v", bucket, key, err)
	}
	b, err := io.ReadAll(o)
	if err != nil {
		t.Fatal(err)
	}
	return info, b
}

// decoded gives the key that a request path stands for.
func decoded(path string) (bucket, key string) {
	bucket, key, _ = strings.Cut(strings.NewReplacer("%20", " ", "%25", "%").Replace(path), "/")
	return bucket, key
}

// backendSeesNothing looks at ciphertext and metadata where they lie: no run
// of the plaintext, nothing that a client said about it.
func (s *site) backendSeesNothing(t *testing.T, objects map[string][]byte) {
	t.Helper()
	for path, plain := range objects {
		bucket, key := decoded(path)
		info, b := s.stored(t, s.buckets[bucket], key)
		if len(b) <= len(plain) {
			t.Errorf("%s: %d bytes are stored of %d", path, len(b), len(plain))
		}
		for at := 0; at+16 <= len(plain); at += 4096 {
			if bytes.Contains(b, plain[at:at+16]) {
				t.Fatalf("%s: the backend holds plaintext of offset %d", path, at)
			}
		}
		seen := fmt.Sprint(info.Metadata, info.UserMetadata, info.ContentType)
		if strings.Contains(seen, secretMark) || len(info.UserMetadata) != 1 {
			t.Errorf("%s: the backend sees %s", path, seen)
		}
		if info.ContentType != "application/octet-stream" && info.ContentType != "binary/octet-stream" {
			t.Errorf("%s: the backend sees the type %s", path, info.ContentType)
		}
	}
}

// headObject is what `aws s3api head-object` prints, by the same library.
const headObject = `
import boto3, json, sys
from botocore.config import Config
endpoint, access, secret, region, ca, bucket, key = sys.argv[1:]
s3 = boto3.client("s3", endpoint_url=endpoint, aws_access_key_id=access, aws_secret_access_key=secret, region_name=region,
                  verify=ca or None, config=Config(s3={"addressing_style": "path"}))
head = s3.head_object(Bucket=bucket, Key=key)
del head["ResponseMetadata"]
print(json.dumps(head, default=str, indent=4))
`

func (s *site) head(t *testing.T, bucket, key string) string {
	t.Helper()
	cmd := exec.Command(servers.Python(t), "-c", headObject, //nolint:noctx // ends by itself
		s.server.Endpoint, s.server.AccessKey, s.server.SecretKey, s.server.Region, s.server.CAFile, bucket, key)
	cmd.Env = servers.Env(t)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("head-object: %v", err)
	}
	return write(t, "head.json", out)
}

func write(t *testing.T, name string, b []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// records copies what lies below .sealgate/ in every bucket into a folder.
func (s *site) records(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, bucket := range s.buckets {
		for o := range s.server.Client(t).ListObjects(t.Context(), bucket, minio.ListObjectsOptions{Prefix: ".sealgate/", Recursive: true}) {
			if o.Err != nil {
				t.Fatal(o.Err)
			}
			_, b := s.stored(t, bucket, o.Key)
			name := filepath.Join(dir, bucket, filepath.FromSlash(o.Key))
			if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

// opensOffline opens every object with the backend's bytes and the keystore
// alone: the data directory is gone.
func (s *site) opensOffline(t *testing.T, objects map[string][]byte) {
	t.Helper()
	keys := filepath.Join(t.TempDir(), "keys")
	if err := os.Rename(filepath.Join(s.Dir, "keys"), keys); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(s.Dir); err != nil {
		t.Fatal(err)
	}
	rings := s.records(t)
	for path, plain := range objects {
		bucket, key := decoded(path)
		_, b := s.stored(t, s.buckets[bucket], key)
		meta := s.head(t, s.buckets[bucket], key)
		out, code := openOffline(t, write(t, "stored", b), meta, bucket+"/"+key, rings, keys)
		if code != 0 || !bytes.Equal(out, plain) {
			t.Errorf("open %s: exit code %d, %d bytes of %d", path, code, len(out), len(plain))
		}
		if len(plain) == 65537 {
			s.refusesOffline(t, b, meta, bucket+"/"+key, rings, keys)
		}
	}
}

func openOffline(t *testing.T, file, meta, as, rings, keys string) (plain []byte, code int) {
	t.Helper()
	cmd := exec.Command(gate.Binary(t), "object", "open", file, "--meta", meta, "--as", as, "--keyrings", rings, //nolint:noctx // ends by itself
		"--keystore", filepath.Join(keys, "keystore"), "--data", filepath.Join(t.TempDir(), "none"))
	out, _ := cmd.Output() // the code says it
	return out, cmd.ProcessState.ExitCode()
}

// refusesOffline: whatever is not what was stored does not open.
func (s *site) refusesOffline(t *testing.T, b []byte, meta, as, rings, keys string) {
	t.Helper()
	text, err := os.ReadFile(meta)
	if err != nil {
		t.Fatal(err)
	}
	var head struct{ Metadata map[string]string }
	if err := json.Unmarshal(text, &head); err != nil {
		t.Fatal(err)
	}
	sg1 := []byte(head.Metadata["sg1"])
	for name, c := range map[string]struct {
		body, sg1 []byte
		as        string
	}{
		"first bit":      {body: flipped(b, 0), sg1: sg1, as: as},
		"last bit":       {body: flipped(b, len(b)-1), sg1: sg1, as: as},
		"cut":            {body: b[:len(b)-1], sg1: sg1, as: as},
		"longer":         {body: append(bytes.Clone(b), 0), sg1: sg1, as: as},
		"metadata":       {body: b, sg1: other(sg1, len(sg1)/2), as: as},
		"cut metadata":   {body: b, sg1: sg1[:len(sg1)-4], as: as},
		"another key":    {body: b, sg1: sg1, as: as + "x"},
		"another bucket": {body: b, sg1: sg1, as: "raw/" + as},
	} {
		meta := write(t, "head.json", fmt.Appendf(nil, `{"Metadata": {"sg1": %s}}`, strconv.Quote(string(c.sg1))))
		if out, code := openOffline(t, write(t, "stored", c.body), meta, c.as, rings, keys); code != 4 || len(out) >= 65537 {
			t.Errorf("%s: exit code %d and %d bytes, want 4 and never all of it", name, code, len(out))
		}
	}
}

func flipped(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 1
	return b
}

// other replaces one character of base64 by another.
func other(b []byte, at int) []byte {
	b = bytes.Clone(b)
	if b[at]++; b[at] == 'z'+1 || b[at] == 'Z'+1 || b[at] == '9'+1 || b[at] == '.' || b[at] == '`' {
		b[at] = 'A'
	}
	return b
}
