// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"

	"github.com/spf13/cobra"
)

func (a *app) objectCopyCmd() *cobra.Command {
	var ifAbsent bool
	var ifMatch string
	c := &cobra.Command{
		Use: "cp PATH PATH", Short: "Copy an object, without moving its bytes where that is possible", Args: exactly("BUCKET/KEY", "BUCKET/KEY"),
		ValidArgsFunction: a.completePaths(0, 1),
		Long: `Copies the first object to the second path; both are BUCKET/KEY. Under one keyring
the store copies the sealed bytes; elsewhere the gateway opens them and seals them
anew. The bytes never come here.`,
		Example: `  sealgate object cp models/fraud/dev/v1.safetensors models/fraud/staging/v1.safetensors`,
		RunE: func(cmd *cobra.Command, args []string) error {
			from, err := parseObject(args[0])
			if err != nil {
				return err
			}
			to, err := parseObject(args[1])
			if err != nil {
				return err
			}
			h := http.Header{"X-Amz-Copy-Source": {"/" + from.escape()}}
			if ifAbsent {
				h.Set("If-None-Match", "*")
			}
			if ifMatch != "" {
				h.Set("If-Match", ifMatch)
			}
			return a.objectCopy(cmd.Context(), from, to, h)
		},
	}
	c.Flags().BoolVar(&ifAbsent, "if-absent", false, "only if no object is there")
	c.Flags().StringVar(&ifMatch, "if-match", "", "only over the object with this `ETag`")
	return c
}

// copyResult is what `object cp --json` prints.
type copyResult struct {
	From      string `json:"from"`
	Path      string `json:"path"`
	ETag      string `json:"etag"`
	Object    string `json:"object"`
	Audit     string `json:"audit"`
	RequestID string `json:"request_id"`
}

func (a *app) objectCopy(ctx context.Context, from, to objectPath, h http.Header) error {
	client, err := a.objects(ctx)
	if err != nil {
		return err
	}
	doing := "cp " + from.String() + " " + to.String()
	resp, err := client.do(ctx, doing, http.MethodPut, to, "", nil, 0, h)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // read side
	etag, err := copiedETag(resp.Body)
	if err != nil {
		return &exitError{Code: exitFailed, Err: fmt.Errorf("%s: %w", doing, err), Where: to.String(), RequestID: resp.Header.Get("X-Amz-Request-Id")}
	}
	r := copyResult{
		From: from.String(), Path: to.String(), ETag: etag, Object: resp.Header.Get("X-Sealgate-Object"),
		Audit: resp.Header.Get("X-Sealgate-Audit"), RequestID: resp.Header.Get("X-Amz-Request-Id"),
	}
	if a.json {
		return a.printJSON(r)
	}
	_, err = fmt.Fprintf(a.stdout, "cp %s %s  audit %s\n", r.From, r.Path, r.Audit)
	return err
}

// copiedETag reads the answer to a copy: one that took long has its status
// sent ahead, and says in the body what came of it.
func copiedETag(body io.Reader) (string, error) {
	var answer struct {
		XMLName             xml.Name
		ETag, Code, Message string
	}
	if err := xml.NewDecoder(io.LimitReader(body, 1<<20)).Decode(&answer); err != nil {
		return "", fmt.Errorf("reading the answer: %w", err)
	}
	if answer.XMLName.Local != "CopyObjectResult" {
		return "", fmt.Errorf("%s: %s", answer.Code, answer.Message)
	}
	return answer.ETag, nil
}
