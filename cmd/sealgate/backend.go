// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/gateway/control"
	"github.com/sealgate/sealgate/gateway/policy"
	"github.com/sealgate/sealgate/rotation"
)

// backend lets the control API act on the running gateway.
type backend struct{ *system }

var _ control.Backend = (*backend)(nil)

// KEKs implements control.Backend.
func (b *backend) KEKs(ctx context.Context) ([]control.KEK, error) {
	st, err := b.rings.Status(ctx)
	if err != nil {
		return nil, problemIfAway(err)
	}
	var out []control.KEK
	for _, k := range st.KEKs {
		kek := control.KEK{Name: k.Name, Provider: k.Provider, Version: k.Version, Records: k.Records}
		for _, v := range k.Versions {
			kek.Versions = append(kek.Versions, control.KEKVersion{
				Version: v.Version, Created: v.Created, AgeSeconds: ageOf(v.Created), Records: v.Records,
			})
		}
		out = append(out, kek)
	}
	return out, nil
}

// Keyrings implements control.Backend.
func (b *backend) Keyrings(ctx context.Context) ([]control.Keyring, error) {
	st, err := b.rings.Status(ctx)
	if err != nil {
		return nil, problemIfAway(err)
	}
	var out []control.Keyring
	for _, r := range st.Keyrings {
		out = append(out, control.Keyring{
			Scope: r.Scope, Keyring: r.Keyring, Version: r.Version, State: r.State, KEK: r.KEK, KEKVersion: r.KEKVersion,
			Created: r.Created, AgeSeconds: ageOf(r.Created),
		})
	}
	return out, nil
}

func ageOf(t time.Time) int64 { return int64(time.Since(t) / time.Second) }

// RotateKEK implements control.Backend. The rotation finishes though the
// caller hangs up.
func (b *backend) RotateKEK(ctx context.Context, name string) (control.Rotation, error) {
	if _, ok := b.keks[name]; !ok {
		return control.Rotation{}, control.Fail(control.NotFound, fmt.Sprintf("there is no KEK %q", name))
	}
	r, err := b.rotate(context.WithoutCancel(ctx), name)
	switch {
	case errors.Is(err, rotation.ErrRunning):
		return control.Rotation{}, control.Fail(control.Conflict, "a rotation of "+name+" is running already")
	case errors.Is(err, rotation.ErrNoRotator):
		return control.Rotation{}, control.Fail(control.Invalid, name+" makes no versions by itself")
	case errors.Is(err, rotation.ErrConfig): // nothing is broken, and the operator has to know which bucket it is
		return control.Rotation{}, control.Fail(control.Conflict, err.Error())
	case err != nil:
		return control.Rotation{}, problemIfAway(err)
	}
	return control.Rotation{KEK: r.KEK, From: r.From, To: r.To, Records: r.Records, DurationUS: r.Duration.Microseconds()}, nil
}

// rotate moves every record of a KEK to a new version of it. Keyring keys do
// not change, so requests go on with the snapshot they have. It waits for buckets
// that are being made or removed: their records lie where it cannot reach.
func (s *system) rotate(ctx context.Context, name string) (rotation.Report, error) {
	if err := s.lockAlone(ctx); err != nil {
		return rotation.Report{}, err
	}
	defer s.mu.Unlock()
	if s.cfg.State.Postgres.URL != "" { // another replica may have made or removed a bucket a moment ago
		now, err := s.db.Epoch(ctx)
		if err == nil {
			err = s.followTo(ctx, now)
		}
		if err != nil {
			return rotation.Report{}, fmt.Errorf("taking over what other replicas changed: %w", err)
		}
	}
	return s.rings.RotateKEK(ctx, name)
}

// Certs implements control.Backend.
func (b *backend) Certs(context.Context) (control.Certs, error) {
	m, err := b.identity.Current()
	if err != nil {
		return control.Certs{}, control.Fail(control.Unavailable, "the gateway has no current identity: "+err.Error())
	}
	out := control.Certs{ID: m.ID.String(), Serial: m.Chain[0].SerialNumber.Text(16), NotBefore: m.NotBefore, NotAfter: m.NotAfter}
	for td, bundle := range m.Bundles {
		line := control.Bundle{TrustDomain: td.String(), Authorities: len(bundle.X509)}
		for _, c := range bundle.X509 {
			if c.NotAfter.After(line.NotAfter) {
				line.NotAfter = c.NotAfter
			}
		}
		out.Bundles = append(out.Bundles, line)
	}
	return out, nil
}

// errNoAuthority answers what only the built-in authority can do.
var errNoAuthority = control.Fail(control.Conflict, "this gateway has no built-in authority: its identities come from elsewhere")

// Entries implements control.Backend.
func (b *backend) Entries(context.Context) ([]control.Entry, error) {
	if b.issuer == nil {
		return nil, errNoAuthority
	}
	return b.issuer.Entries(), nil
}

// AddEntry implements control.Backend.
func (b *backend) AddEntry(_ context.Context, e control.Entry) (control.Entry, error) {
	if b.issuer == nil {
		return e, errNoAuthority
	}
	added, err := b.issuer.AddEntry(e)
	if errors.Is(err, errBadEntry) {
		return e, control.Fail(control.Invalid, err.Error())
	}
	return added, err
}

// DeleteEntry implements control.Backend.
func (b *backend) DeleteEntry(_ context.Context, id string) error {
	if b.issuer == nil {
		return errNoAuthority
	}
	err := b.issuer.DeleteEntry(id)
	if errors.Is(err, errNoEntry) {
		return control.Fail(control.NotFound, fmt.Sprintf("there is no entry %q", id))
	}
	return err
}

// Explain implements control.Backend.
func (b *backend) Explain(_ context.Context, q control.ExplainQuery) (control.Explanation, error) {
	p := b.gateway.Current().Policy
	if q.RequestID != "" {
		found, err := b.requested(q.RequestID)
		if err != nil {
			return control.Explanation{}, err
		}
		if found.PolicyDigest != "" && found.PolicyDigest != p.Digest() {
			return control.Explanation{}, control.Fail(control.Conflict,
				fmt.Sprintf("request %s was decided under policy %.16s; the one in force is %.16s", q.RequestID, found.PolicyDigest, p.Digest()))
		}
		q = control.ExplainQuery{Who: found.Actor, Do: verbOf(found.Action), Path: found.Bucket + "/" + found.Key, At: found.Time}
	}
	e, err := control.Explain(p, q)
	if err != nil {
		return e, control.Fail(control.Invalid, err.Error())
	}
	return e, nil
}

// requested finds the record in which a request was decided.
func (b *backend) requested(id string) (*audit.Record, error) {
	var found *audit.Record
	err := audit.Search(b.auditDir(), audit.SearchQuery{RequestID: id}, func(m audit.Match) bool {
		if m.Record.Decision != "" {
			r := m.Record
			found = &r
		}
		return found == nil
	})
	if err == nil && found == nil {
		err = control.Fail(control.NotFound, fmt.Sprintf("no record of request %q; single records of a flood of denials are counted, not kept", id))
	}
	return found, err
}

func (s *system) auditDir() string { return s.cfg.AuditDir() }

// verbOf gives the right that an S3 operation needs.
func verbOf(action string) string {
	verbs := map[string]policy.Verb{
		"GetObject": policy.VerbRead, "HeadObject": policy.VerbRead, "PutObject": policy.VerbWrite, "DeleteObject": policy.VerbDelete,
		"ListObjects": policy.VerbList, "ListObjectsV2": policy.VerbList, "ListObjectVersions": policy.VerbList,
		"CopyObject": policy.VerbWrite, "DeleteObjects": policy.VerbDelete,
		"CreateMultipartUpload": policy.VerbCreate, "UploadPart": policy.VerbCreate, "UploadPartCopy": policy.VerbCreate,
		"CompleteMultipartUpload": policy.VerbWrite, "AbortMultipartUpload": policy.VerbCreate,
		"ListParts": policy.VerbList, "ListMultipartUploads": policy.VerbList,
		"GetObjectTagging": policy.VerbRead, "GetObjectAttributes": policy.VerbRead, "GetObjectAcl": policy.VerbRead,
		"PutObjectTagging": policy.VerbTag, "DeleteObjectTagging": policy.VerbTag, "PutObjectAcl": policy.VerbWrite,
	}
	if v, ok := verbs[action]; ok {
		return v.String()
	}
	return action
}

// Records implements control.Backend.
func (b *backend) Records(ctx context.Context, q control.RecordQuery) (control.Records, error) {
	out := control.Records{Items: []map[string]any{}}
	var perr error
	seen := 0
	err := audit.Search(b.auditDir(), audit.SearchQuery{
		Who: q.Who, Path: q.Path, Since: q.Since, Event: q.Event, Decision: q.Decision, RequestID: q.RequestID,
	}, func(m audit.Match) bool {
		if seen++; seen <= q.Skip {
			return ctx.Err() == nil
		}
		if len(out.Items) == q.Limit {
			out.More = true
			return false
		}
		var item map[string]any
		if perr = json.Unmarshal(m.Raw, &item); perr == nil {
			out.Items = append(out.Items, item)
		}
		return perr == nil && ctx.Err() == nil
	})
	return out, errors.Join(err, perr, ctx.Err())
}
