// SPDX-License-Identifier: Apache-2.0

package policy

// matches reports whether the path of the given segments is one that p, which is
// bound, stands for. It is for explanations; decisions use the trie.
func (p pattern) matches(path []string) bool {
	if len(path) < len(p.segs) || p.rest == (len(path) == len(p.segs)) {
		return false
	}
	for i, s := range p.segs {
		if s.kind != anyOne && s.text != path[i] {
			return false
		}
	}
	return true
}

// covers reports whether every path that q stands for is one of p, whatever the
// captures hold. It may say false where that is hard to see.
func (p pattern) covers(q pattern) bool {
	if !p.rest && (q.rest || len(q.segs) != len(p.segs)) {
		return false
	}
	if p.rest && q.shortest() <= len(p.segs) {
		return false
	}
	for i, s := range p.segs {
		if i >= len(q.segs) || s.kind != anyOne && s != q.segs[i] {
			return false
		}
	}
	return true
}

// overlaps reports whether some path is one of both p and q for some captures.
func (p pattern) overlaps(q pattern) bool {
	switch {
	case !p.rest && !q.rest && len(p.segs) != len(q.segs),
		!p.rest && q.rest && len(p.segs) <= len(q.segs),
		p.rest && !q.rest && len(q.segs) <= len(p.segs):
		return false
	}
	for i := range min(len(p.segs), len(q.segs)) {
		a, b := p.segs[i], q.segs[i]
		if a.kind == literal && b.kind == literal && a.text != b.text {
			return false
		}
	}
	return true
}

// shortest is the least number of segments of a path that p stands for.
func (p pattern) shortest() int {
	if p.rest {
		return len(p.segs) + 1
	}
	return len(p.segs)
}

// wildBucket reports whether p does not say which bucket.
func (p pattern) wildBucket() bool { return p.segs[0].kind != literal }

// grants reports whether p, under can, covers q under can: there a wildcard in
// place of the bucket never reaches a namespace (§4).
func (p pattern) grants(q pattern) bool {
	if p.wildBucket() && !q.wildBucket() && isNamespace(q.segs[0].text) {
		return false
	}
	return p.covers(q)
}
