// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealgate/sealgate/envelope"
	"github.com/sealgate/sealgate/gateway/store"
)

// openOptions are the flags of `object open`.
type openOptions struct {
	as, meta, keyrings, keystore, keyFile, passphrase, out string
}

func (a *app) objectOpenCmd() *cobra.Command {
	var o openOptions
	c := &cobra.Command{
		Use: "open FILE --as BUCKET/KEY", Short: "Decrypt a stored object without any gateway", Args: exactly("a stored file"),
		Long: `Decrypts what a store holds, with nothing but the store's files and the keystore.

FILE is a file of the disk store, or the bytes of an object as an S3 backend
holds them; then --meta names the JSON that "aws s3api head-object" prints for it.
--keyrings names a directory that holds the keyring records: a copy of the
.sealgate/ keys of the bucket, or the disk store's own directory. PATH given with
--as is the logical BUCKET/KEY that the object was stored under: it is bound into
the object, which opens under no other name.`,
		Example: `  sealgate object open objects/models/v1.bin= --as models/v1.bin --keyrings objects \
      --keystore keys/keystore --key-file keys/keyfile -o v1.bin`,
		RunE: func(cmd *cobra.Command, args []string) error { return a.objectOpen(cmd.Context(), args[0], o) },
	}
	f := c.Flags()
	f.StringVar(&o.as, "as", "", "the object's logical `BUCKET/KEY`")
	f.StringVar(&o.meta, "meta", "", "head-object `JSON` of an object from an S3 backend")
	f.StringVar(&o.keyrings, "keyrings", "", "`directory` with the keyring records")
	f.StringVar(&o.keystore, "keystore", "", "keystore `file`; default keys/keystore of the data directory, or what --config says")
	f.StringVar(&o.keyFile, "key-file", "", "key `file` that opens the keystore; default keyfile beside it")
	f.StringVar(&o.passphrase, "passphrase-file", "", "`file` with the keystore's passphrase [$SEALGATE_PASSPHRASE_FILE]")
	f.StringVarP(&o.out, "output", "o", "-", "`file` to write to; - is standard output")
	return c
}

func (a *app) objectOpen(ctx context.Context, file string, o openOptions) error {
	if o.as == "" {
		return usage("name what the object was stored as", "object open wants --as BUCKET/KEY")
	}
	p, err := parseObject(o.as)
	if err != nil {
		return err
	}
	if o.keyrings == "" {
		return usage("name the directory with the keyring records", "object open wants --keyrings DIR")
	}
	kek, err := a.offlineKEK(ctx, o)
	if err != nil {
		return err
	}
	lookup, err := offlineKeyrings(ctx, kek, o.keyrings)
	if err != nil {
		return err
	}
	meta, body, size, err := openStored(file, o.meta)
	if err != nil {
		return err
	}
	defer body.Close() //nolint:errcheck // read side
	object, err := envelope.OpenHeader(meta, envelope.Location{Bucket: p.bucket, Key: p.key}, lookup)
	if err != nil {
		return openError(file, err)
	}
	plain, err := openWhole(object, body, size)
	if err != nil {
		return openError(file, err)
	}
	return a.writePlain(o.out, file, plain)
}

// openWhole opens a stored body; parts of a multipart object are described at
// its end, so that is read first.
func openWhole(object *envelope.Object, body storedBody, size int64) (*envelope.Reader, error) {
	if !object.Multipart() {
		return object.OpenAll(body, size), object.CheckStored(size)
	}
	off, n, err := object.TailRange(size)
	if err != nil {
		return nil, err
	}
	tail := make([]byte, n)
	if _, err := body.ReadAt(tail, off); err != nil {
		return nil, err
	}
	if _, err := object.UseManifest(size, tail); err != nil {
		return nil, err
	}
	return object.OpenAll(body, size), nil
}

func openError(file string, err error) error {
	if errors.Is(err, envelope.ErrAuth) {
		return fail(exitIntegrity, fmt.Errorf("opening %s: it is damaged, or not what --as says it is", file), "check the path and the keyrings")
	}
	return fmt.Errorf("opening %s: %w", file, err)
}

// writePlain writes verified plaintext; a file appears whole or not at all.
func (a *app) writePlain(out, file string, plain *envelope.Reader) error {
	if out == "-" {
		if _, err := io.Copy(a.stdout, plain); err != nil {
			return openError(file, err)
		}
		return nil
	}
	f, err := os.CreateTemp(filepath.Dir(out), filepath.Base(out)+".part-*")
	if err != nil {
		return fmt.Errorf("writing %s: %w", out, err)
	}
	defer os.Remove(f.Name()) //nolint:errcheck // gone already when all went well
	n, err := io.Copy(f, plain)
	if err != nil {
		_ = f.Close() // it is removed
		return openError(file, err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", out, err)
	}
	if err := os.Rename(f.Name(), out); err != nil {
		return fmt.Errorf("writing %s: %w", out, err)
	}
	_, err = fmt.Fprintf(a.stdout, "opened %s  %d bytes  %s\n", file, n, out)
	return err
}

// storedBody is a sealed body that can be read from anywhere.
type storedBody interface {
	io.ReadCloser
	io.ReaderAt
}

// openStored gives metadata and sealed body: of a disk store's file, or of a
// plain file beside its head-object JSON.
func openStored(file, meta string) (string, storedBody, int64, error) {
	if meta == "" {
		m, body, size, err := storedFile(file)
		if err != nil {
			code := exitUsage
			if errors.Is(err, store.ErrDamaged) {
				code = exitIntegrity
			}
			return "", nil, 0, fail(code, err, "an object from an S3 backend needs --meta")
		}
		return m, body, size, nil
	}
	b, err := os.ReadFile(meta)
	if err != nil {
		return "", nil, 0, usage("", "reading --meta: %w", err)
	}
	var head struct{ Metadata map[string]string }
	if err := json.Unmarshal(b, &head); err != nil {
		return "", nil, 0, usage("it is what `aws s3api head-object` prints", "reading --meta %s: %w", meta, err)
	}
	value := ""
	for name, v := range head.Metadata {
		if strings.EqualFold(name, "sg1") {
			value = v
		}
	}
	if value == "" {
		return "", nil, 0, usage("", "%s holds no metadata sg1: the object was not written by Sealgate", meta)
	}
	f, err := os.Open(file)
	if err != nil {
		return "", nil, 0, usage("", "reading the stored object: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close() // read side
		return "", nil, 0, err
	}
	return value, f, info.Size(), nil
}

// offlineKEK opens the keystore that the flags name.
func (a *app) offlineKEK(ctx context.Context, o openOptions) (envelope.KEK, error) {
	if o.keystore == "" && a.config != "" {
		return a.configuredKEK(ctx)
	}
	if o.keystore == "" {
		data, err := a.dataDir()
		if err != nil {
			return nil, err
		}
		o.keystore = filepath.Join(data, "keys", "keystore")
	}
	if o.keyFile == "" && o.passphrase == "" {
		o.keyFile = filepath.Join(filepath.Dir(o.keystore), "keyfile")
	}
	if o.passphrase != "" {
		o.keyFile = ""
	}
	return openKeystore(ctx, o.keystore, o.keyFile, o.passphrase)
}

// offlineKeyrings unwraps every keyring record below a directory: files of a
// disk store, or records as they were copied out of a bucket. What is neither
// is left alone.
func offlineKeyrings(ctx context.Context, kek envelope.KEK, dir string) (envelope.KeyLookup, error) {
	type version struct {
		ring envelope.ID
		n    uint32
	}
	keys := map[version]*envelope.KeyringKey{}
	var last error
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		r, ok := recordFile(path)
		if !ok {
			return nil
		}
		k, err := envelope.OpenRecord(ctx, kek, r)
		if err != nil {
			last = fmt.Errorf("%s: %w", path, err) // another KEK's, or superseded
			return nil
		}
		keys[version{k.Ring(), k.Version()}] = k
		return nil
	})
	if err != nil {
		return nil, usage("", "reading --keyrings: %w", err)
	}
	if len(keys) == 0 {
		what := fmt.Errorf("no keyring record below %s opens with this keystore", dir)
		if last != nil {
			what = fmt.Errorf("%w: %w", what, last)
		}
		return nil, fail(exitFailed, what, "")
	}
	return func(ring envelope.ID, n uint32) (*envelope.KeyringKey, error) {
		if k, ok := keys[version{ring, n}]; ok {
			return k, nil
		}
		return nil, fmt.Errorf("no record of keyring %s version %d is below %s", ring, n, dir)
	}, nil
}

// maxRecordFile is more than any keyring record has.
const maxRecordFile = 64 << 10

func recordFile(path string) (envelope.Record, bool) {
	b, err := readSmall(path)
	if err != nil {
		return envelope.Record{}, false
	}
	if r, err := envelope.DecodeRecord(b); err == nil {
		return r, true
	}
	_, body, size, err := storedFile(path)
	if err != nil || size > maxRecordFile {
		return envelope.Record{}, false
	}
	defer body.Close() //nolint:errcheck // read side
	if b, err = io.ReadAll(body); err != nil {
		return envelope.Record{}, false
	}
	r, err := envelope.DecodeRecord(b)
	return r, err == nil
}

func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read side
	var b bytes.Buffer
	_, err = io.Copy(&b, io.LimitReader(f, maxRecordFile))
	return b.Bytes(), err
}
