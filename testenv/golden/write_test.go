// SPDX-License-Identifier: Apache-2.0

package golden

import (
	"encoding/binary"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/minio/crc64nvme"

	"github.com/sealgate/sealgate/envelope"
	"github.com/sealgate/sealgate/envelope/kek/local"
	"github.com/sealgate/sealgate/gateway/store"
	"github.com/sealgate/sealgate/gateway/store/disk"
	"github.com/sealgate/sealgate/testenv/gate"
)

// TestWrite makes a golden folder when it is asked to, once for each format.
func TestWrite(t *testing.T) {
	if *write == "" {
		return // nothing was asked for: what is there is opened by the other tests
	}
	if _, err := os.Stat(*write); err == nil {
		t.Fatalf("%s exists, and what a release wrote is never written again", *write)
	}
	dir := filepath.Join(t.TempDir(), "data")
	g := gate.Start(t, options(dir))
	enter(t, dir)
	var all []object
	for _, size := range []int{0, 1, 65535, 65536, 65537} {
		all = append(all, put(t, g, dir, "datasets/golden/"+strconv.Itoa(size)+".json", pattern(size)))
	}
	if code := g.Stop(t); code != 0 {
		t.Fatalf("stopping: %d: %s", code, g.Log())
	}
	all = append(all, multipart(t, dir, pattern(70_000)))
	withPassphrase(t, dir)
	for i, o := range all {
		all[i].File = fileOf(t, dir, o.Path)
	}
	b, err := json.MarshalIndent(all, "", "  ")
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "objects.json"), append(b, '\n'), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "policy.yaml"), []byte(goldenPolicy), 0o600))
	for _, own := range []string{"run", "id", "lock", "stderr", "test-policy.yaml", "sealgate.yaml"} {
		must(t, os.RemoveAll(filepath.Join(dir, own)))
	}
	must(t, os.CopyFS(*write, os.DirFS(dir)))
}

// pattern is size bytes that no two offsets share for long.
func pattern(size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(i*7 + i>>8*31)
	}
	return b
}

func described(path string, b []byte) object {
	return object{Path: path, Bytes: len(b), SHA256: sumOf(b)}
}

func put(t *testing.T, g *gate.Gate, dir, path string, b []byte) object {
	t.Helper()
	file := filepath.Join(t.TempDir(), "plain")
	must(t, os.WriteFile(file, b, 0o600))
	sealgate(t, dir, "object", "put", file, path, "--endpoint", g.Endpoint)
	return described(path, b)
}

// fileOf finds the file of the disk store that holds a path.
func fileOf(t *testing.T, dir, path string) string {
	t.Helper()
	bucket, key, _ := strings.Cut(path, "/")
	found := ""
	must(t, filepath.WalkDir(filepath.Join(dir, "objects", bucket), func(name string, e os.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		if f, err := disk.OpenFile(name); err == nil {
			if f.Key == key {
				found = name
			}
			return f.Close()
		}
		return nil
	}))
	rel, err := filepath.Rel(dir, found)
	must(t, err)
	return rel
}

// multipart writes an object of one part into the store of models, as the
// format has it.
func multipart(t *testing.T, dir string, b []byte) object {
	t.Helper()
	st, err := disk.Open(disk.Config{Dir: filepath.Join(dir, "objects", "models")})
	must(t, err)
	defer st.Close()
	const key = "golden/multipart.bin"
	u, err := envelope.NewMultipart(envelope.SealConfig{
		Key: modelsKey(t, dir, st), Location: envelope.Location{Bucket: "models", Key: key},
		Attr: envelope.Attr{ContentType: "application/x-golden", User: []envelope.UserMeta{{Name: "release", Value: "1"}}},
	})
	must(t, err)
	part, err := u.SealPart(3, int64(len(b)))
	must(t, err)
	body, err := io.ReadAll(part.Reader(strings.NewReader(string(b))))
	must(t, err)
	sealed := part.Part()
	digests := envelope.Digests{CRC64NVME: [8]byte(binary.BigEndian.AppendUint64(nil, crc64nvme.Checksum(b)))}
	sealed.Checksum = digests.CRC64NVME[:]
	tail, err := u.Tail([]envelope.Part{sealed}, digests)
	must(t, err)
	_, err = st.Put(t.Context(), key, io.MultiReader(strings.NewReader(string(body)), tail.Reader()), store.PutOptions{
		Size: part.StoredSize() + tail.Size(), Metadata: u.Metadata(),
	})
	must(t, err)
	return described("models/"+key, b)
}

// modelsKey unwraps the keyring key of the models bucket from its record.
func modelsKey(t *testing.T, dir string, st store.Store) *envelope.KeyringKey {
	t.Helper()
	kek := keystore(t, filepath.Join(dir, "keys"))
	page, err := st.List(t.Context(), store.ListOptions{Prefix: ".sealgate/keyrings/"})
	must(t, err)
	for _, o := range page.Objects {
		r, err := st.Get(t.Context(), o.Key, store.Whole())
		must(t, err)
		b, err := io.ReadAll(r)
		must(t, err)
		record, err := envelope.DecodeRecord(b)
		must(t, err)
		if record.Bucket == "models" {
			k, err := envelope.OpenRecord(t.Context(), kek, record)
			must(t, err)
			return k
		}
	}
	t.Fatal("models has no keyring record")
	return nil
}

func keystore(t *testing.T, keys string) *local.KEK {
	t.Helper()
	k, err := local.Open(t.Context(), local.Config{
		Path: filepath.Join(keys, "keystore"), Name: "local", Secret: local.Secret{KeyFile: filepath.Join(keys, "keyfile")},
	})
	must(t, err)
	return k
}

// passphrase seals the second keystore; it guards nothing but this folder.
const passphrase = "a golden passphrase, known to all\n"

// withPassphrase adds a copy of the keystore that a passphrase seals.
func withPassphrase(t *testing.T, dir string) {
	t.Helper()
	to := filepath.Join(dir, "passphrase")
	must(t, os.Mkdir(to, 0o700))
	for _, name := range []string{"keystore", "keyfile"} {
		b, err := os.ReadFile(filepath.Join(dir, "keys", name))
		must(t, err)
		must(t, os.WriteFile(filepath.Join(to, name), b, 0o600))
	}
	secret := filepath.Join(to, "passphrase")
	must(t, os.WriteFile(secret, []byte(passphrase), 0o600))
	_, err := keystore(t, to).ChangeSecret(t.Context(), local.Secret{PassphraseFile: secret})
	must(t, err)
	must(t, os.Remove(filepath.Join(to, "keyfile")))
	must(t, os.Remove(filepath.Join(to, "keystore.1")))
}
