// SPDX-License-Identifier: Apache-2.0

package policy

// maxCompared bounds with how many others one grant is compared. Warnings are a
// courtesy; a document made to be slow must not make checking it slow.
const maxCompared = 1000

// grant is one path of one can.
type grant struct {
	role *role
	rule *rule
	path pattern
}

// grantIndex finds the grants that may cover a path by how their patterns begin.
type grantIndex struct {
	byHead map[[2]segment][]grant
	who    map[*role]map[*identity]bool
}

// everything stands in a head for the ** of a pattern that ends there.
var everything = segment{kind: anyOne, text: "**"}

func indexGrants(p *Policy) grantIndex {
	x := grantIndex{byHead: map[[2]segment][]grant{}, who: map[*role]map[*identity]bool{}}
	for _, r := range p.roles {
		x.who[r] = make(map[*identity]bool, len(r.who))
		for _, i := range r.who {
			x.who[r][i] = true
		}
		for _, can := range r.cans {
			for _, path := range can.paths {
				h := path.head()
				x.byHead[h] = append(x.byHead[h], grant{r, can, path})
			}
		}
	}
	return x
}

// head is the bucket and the first segment of the key.
func (p pattern) head() [2]segment {
	if len(p.segs) == 1 {
		return [2]segment{p.segs[0], everything}
	}
	return [2]segment{p.segs[0], p.segs[1]}
}

// cover finds another grant by which everyone in the role of g may do the same
// everywhere and always, nil if there is none. Of two equal ones, the later is
// covered.
func (x grantIndex) cover(g grant) *grant {
	h, star := g.path.head(), segment{kind: anyOne}
	for _, bucket := range []segment{h[0], star} {
		for _, first := range []segment{h[1], star, everything} {
			others := x.byHead[[2]segment{bucket, first}]
			for i := range others[:min(len(others), maxCompared)] {
				if x.covers(others[i], g) {
					return &others[i]
				}
			}
		}
	}
	return nil
}

func (x grantIndex) covers(o, g grant) bool {
	same := o.rule == g.rule && o.path.line == g.path.line && o.path.col == g.path.col
	if same || o.rule.when != nil || g.rule.verbs&^o.rule.verbs != 0 || !o.path.grants(g.path) || !x.everyoneOf(g.role, o.role) {
		return false
	}
	equal := g.path.covers(o.path) && g.rule.verbs == o.rule.verbs && g.rule.when == nil && x.everyoneOf(o.role, g.role)
	return !equal || !laterThan(o.path, g.path)
}

// everyoneOf reports whether all of r, and that is somebody, are in o as well.
func (x grantIndex) everyoneOf(r, o *role) bool {
	if r == o {
		return true
	}
	for _, i := range r.who {
		if !x.who[o][i] {
			return false
		}
	}
	return len(r.who) > 0
}

func laterThan(a, b pattern) bool { return a.line > b.line || a.line == b.line && a.col > b.col }
