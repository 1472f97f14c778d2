// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealgate/sealgate/envelope"
)

func (a *app) objectGetCmd() *cobra.Command {
	var rng string
	var resume bool
	c := &cobra.Command{
		Use: "get PATH [FILE|-]", Short: "Download an object, to a file or standard output", Args: cobra.RangeArgs(1, 2),
		ValidArgsFunction: a.completePaths(0),
		Long: `Downloads PATH (BUCKET/KEY) to FILE, by default the last segment of the key; "-"
is standard output. The file appears whole or not at all: until then the bytes
lie in FILE.part, from which --resume goes on if the object is still the same.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := parseObject(args[0])
			if err != nil {
				return err
			}
			file := path.Base(p.key)
			if len(args) == 2 {
				file = args[1]
			}
			first, last, err := parseByteRange(rng)
			if err != nil {
				return err
			}
			d := &download{app: a, path: p, next: first, last: last, ranged: rng != ""}
			if file == "-" {
				d.out = a.stdout
				return d.run(cmd.Context())
			}
			return d.toFile(cmd.Context(), file, resume)
		},
	}
	c.Flags().StringVar(&rng, "range", "", "only the bytes `A-B` (from 0, both included; A- is from A on)")
	c.Flags().BoolVar(&resume, "resume", false, "go on from FILE.part")
	return c
}

var byteRange = regexp.MustCompile(`^(\d{1,18})-(\d{0,18})$`)

// parseByteRange reads A-B or A-; last is -1 for the end of the object.
func parseByteRange(s string) (first, last int64, err error) {
	if s == "" {
		return 0, -1, nil
	}
	m := byteRange.FindStringSubmatch(s)
	if m == nil {
		return 0, 0, usage("write A-B, as in 0-1023, or A-", "--range %q is no range of bytes", s)
	}
	first, _ = strconv.ParseInt(m[1], 10, 64) // the pattern leaves nothing that fails
	last = -1
	if m[2] != "" {
		last, _ = strconv.ParseInt(m[2], 10, 64)
		if last < first {
			return 0, 0, usage("write the smaller offset first", "--range %q ends before it begins", s)
		}
	}
	return first, last, nil
}

// download fetches one object, and goes on where a connection was cut.
type download struct {
	app    *app
	path   objectPath
	out    io.Writer
	next   int64 // the first byte still to come
	last   int64 // the last byte wanted, -1 for the end
	etag   string
	ranged bool   // only a part is wanted: what is kept of it is never gone on from
	part   string // where the good bytes are kept, for messages
	got    int64
	bar    *progress
}

// attempts is how often in a row a download goes on without a new byte.
const attempts = 3

func (d *download) run(ctx context.Context) error {
	client, err := d.app.objects(ctx)
	if err != nil {
		return err
	}
	for idle := 0; ; {
		before := d.got
		err := d.once(ctx, client)
		if err == nil {
			d.bar.done()
			return nil
		}
		if ctx.Err() != nil {
			return fail(exitInterrupted, fmt.Errorf("get %s: interrupted after %d bytes", d.path, d.got), d.resumeHint())
		}
		// Once bytes came, a gateway that is gone is a cut like any other.
		if e, ok := errors.AsType[*exitError](err); ok && (e.Code != exitUnavailable || d.got == 0) {
			return d.explain(e)
		}
		if idle++; d.got > before {
			idle = 0
		}
		if idle == attempts {
			return fail(exitUnavailable, fmt.Errorf("get %s: the connection was cut after %d bytes: %w", d.path, d.got, rootCause(err)), d.resumeHint())
		}
	}
}

// once asks for what is missing and copies it. An exitError is final; any
// other error is a cut connection.
func (d *download) once(ctx context.Context, client *objectClient) error {
	h := http.Header{}
	if d.next > 0 || d.last >= 0 {
		end := ""
		if d.last >= 0 {
			end = strconv.FormatInt(d.last, 10)
		}
		h.Set("Range", fmt.Sprintf("bytes=%d-%s", d.next, end))
	}
	if d.etag != "" {
		h.Set("If-Match", d.etag) // never two versions in one file
	}
	resp, err := client.do(ctx, "get "+d.path.String(), http.MethodGet, d.path, "", nil, 0, h)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // read side
	d.etag = resp.Header.Get("ETag")
	if d.bar == nil {
		d.bar = d.app.progress("get "+d.path.String(), resp.ContentLength)
	}
	n, err := io.Copy(io.MultiWriter(d.out, d.bar), resp.Body)
	d.next += n
	d.got += n
	return err
}

// explain says which bytes are bad and which are good.
func (d *download) explain(e *exitError) error {
	if e.Code != exitIntegrity || d.got == 0 {
		return e
	}
	first := d.next / envelope.SegmentSize * envelope.SegmentSize
	text := fmt.Sprintf("get %s: integrity check failed in bytes %d-%d; %d bytes before it are good", d.path, first, first+envelope.SegmentSize-1, d.got)
	if d.part != "" {
		text += " and were kept in " + d.part
	}
	return &exitError{Code: exitIntegrity, Err: errors.New(text), Where: e.Where, RequestID: e.RequestID}
}

func (d *download) resumeHint() string {
	if d.part == "" || d.next == 0 || d.ranged {
		return "try again"
	}
	return "go on with --resume"
}

// toFile downloads into FILE.part and renames it when it is whole.
func (d *download) toFile(ctx context.Context, file string, resume bool) error {
	d.part = file + ".part"
	flags := os.O_CREATE | os.O_WRONLY | os.O_TRUNC
	if resume && !d.ranged && d.continues() {
		flags = os.O_WRONLY | os.O_APPEND
	} else {
		_ = os.Remove(d.part + ".etag") // it would speak of other bytes than those that come now
	}
	f, err := os.OpenFile(d.part, flags, 0o666) //nolint:gosec // the caller's umask says who may read what was downloaded
	if err != nil {
		return fmt.Errorf("writing %s: %w", d.part, err)
	}
	d.out = f
	err = d.run(ctx)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		d.keep()
		return err
	}
	if err := os.Rename(d.part, file); err != nil {
		return fmt.Errorf("finishing %s: %w", file, err)
	}
	_ = os.Remove(d.part + ".etag") // of an earlier, cut download
	if d.app.json {
		return d.app.printJSON(map[string]any{"path": d.path.String(), "file": file, "bytes": d.got, "etag": d.etag})
	}
	_, err = fmt.Fprintf(d.app.stdout, "get %s  %d bytes  %s\n", d.path, d.got, file)
	return err
}

// continues looks for what an earlier, cut download left, and of which
// version of the object it is.
func (d *download) continues() bool {
	etag, err := os.ReadFile(d.part + ".etag")
	if err != nil {
		return false
	}
	info, err := os.Stat(d.part)
	if err != nil || info.Size() == 0 {
		return false
	}
	d.etag, d.next = strings.TrimSpace(string(etag)), info.Size()
	return true
}

// keep leaves the good bytes with the ETag they belong to, or nothing. A range
// has no ETag beside it: going on from it would put it at the wrong offset.
func (d *download) keep() {
	if info, err := os.Stat(d.part); err == nil && info.Size() == 0 {
		if err := os.Remove(d.part); err != nil {
			fmt.Fprintf(d.app.stderr, "sealgate: removing the empty %s: %v\n", d.part, err)
		}
		return
	}
	if d.ranged {
		return
	}
	if err := os.WriteFile(d.part+".etag", []byte(d.etag+"\n"), 0o600); err != nil {
		fmt.Fprintf(d.app.stderr, "sealgate: %s cannot be resumed: %v\n", d.part, err)
	}
}
