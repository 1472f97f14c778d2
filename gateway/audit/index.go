// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// A skip index says of a sealed segment what cannot be in it, and carries the
// ledger as of its end from one start to the next. It is derived: Verify
// rebuilds each and compares. The file is the head, one line of JSON that
// names the SHA-256 of the filter; the SHA-256 of that line in hex, a line;
// and the Bloom filter. The sums are against accidents. A start reads heads
// only: the filters of a year would be gigabytes.

type indexHead struct {
	Version   int       `json:"v"`
	First     uint64    `json:"first"`
	Next      uint64    `json:"next"`  // first record of the next segment
	Bytes     int64     `json:"bytes"` // of whole records; what follows is reserved space
	Earliest  time.Time `json:"earliest"`
	Latest    time.Time `json:"latest"`
	Epoch     uint64    `json:"epoch"`
	Closed    bool      `json:"closed,omitempty"`
	Reads     []uint64  `json:"reads,omitempty"`     // intents without outcome
	Changes   []uint64  `json:"changes,omitempty"`   // the same, with await_outcome
	Unsettled []uint64  `json:"unsettled,omitempty"` // changes that wait for Reconcile
	Filter    int       `json:"filter"`              // bytes of the Bloom filter
	FilterSum string    `json:"filter_sha256"`       // hex
}

const (
	filterHashes  = 7
	filterDensity = 10 // bits per token: one false positive in about a hundred
	filterDepth   = 32 // path components beyond this are not indexed
)

// ledger is the state that the next segment begins with.
func (h *indexHead) ledger() ledger {
	g := newLedger()
	g.epoch, g.closed = h.Epoch, h.Closed
	for _, seq := range h.Reads {
		g.open[seq] = false
	}
	for _, seq := range h.Changes {
		g.open[seq] = true
	}
	for _, seq := range h.Unsettled {
		g.unsettled[seq] = true
	}
	return g
}

// carry writes the ledger down in ascending order: equal ledgers, equal bytes.
func (h *indexHead) carry(g ledger) {
	h.Epoch, h.Closed = g.epoch, g.closed
	for seq, change := range g.open {
		if change {
			h.Changes = append(h.Changes, seq)
		} else {
			h.Reads = append(h.Reads, seq)
		}
	}
	slices.Sort(h.Reads)
	slices.Sort(h.Changes)
	h.Unsettled = slices.Sorted(maps.Keys(g.unsettled))
}

// indexBuilder collects the tokens of a segment's records.
type indexBuilder struct {
	head   indexHead
	tokens map[uint64]struct{}
}

func newIndexBuilder(first uint64) *indexBuilder {
	return &indexBuilder{
		head:   indexHead{Version: 1, First: first, Next: first},
		tokens: make(map[uint64]struct{}),
	}
}

func (b *indexBuilder) add(r *Record, size int64) {
	if b.head.Next == b.head.First || r.Time.Before(b.head.Earliest) {
		b.head.Earliest = r.Time
	}
	if r.Time.After(b.head.Latest) {
		b.head.Latest = r.Time
	}
	b.head.Next++
	b.head.Bytes += size
	for _, t := range recordTokens(r) {
		b.tokens[t] = struct{}{}
	}
}

// encode returns the file. The same records and ledger give the same bytes.
func (b *indexBuilder) encode(g ledger) ([]byte, error) {
	b.head.carry(g)
	f := make(filter, max(8, (len(b.tokens)*filterDensity+7)/8))
	for t := range b.tokens {
		f.add(t)
	}
	b.head.Filter, b.head.FilterSum = len(f), hexSum(f)
	head, err := json.Marshal(b.head)
	if err != nil {
		return nil, fmt.Errorf("encoding the index: %w", err)
	}
	sum := hexSum(head)
	return slices.Concat(head, []byte("\n"+sum+"\n"), f), nil
}

func hexSum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// skipIndex is a decoded index file.
type skipIndex struct {
	indexHead
	filter filter
}

var errIndex = errors.New("damaged skip index")

// readIndexHead reads no more of a file than its head.
func readIndexHead(r io.Reader, first uint64) (*indexHead, error) {
	in := bufio.NewReader(r)
	line, err := in.ReadBytes('\n')
	if err == nil {
		var sum []byte
		sum, err = in.ReadBytes('\n')
		line = append(line, sum...)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	head, _, err := cutIndexHead(line, first)
	return head, err
}

// cutIndexHead decodes the head at the beginning of b; rest is behind it.
func cutIndexHead(b []byte, first uint64) (head *indexHead, rest []byte, err error) {
	line, rest, ok := bytes.Cut(b, []byte("\n"))
	sum, rest, ok2 := bytes.Cut(rest, []byte("\n"))
	head = new(indexHead)
	if !ok || !ok2 || string(sum) != hexSum(line) || json.Unmarshal(line, head) != nil {
		return nil, nil, errIndex
	}
	if head.Version != 1 || head.First != first || head.Next < first {
		return nil, nil, errIndex
	}
	return head, rest, nil
}

// decodeIndex decodes a whole file.
func decodeIndex(b []byte, first uint64) (*skipIndex, error) {
	head, f, err := cutIndexHead(b, first)
	if err != nil {
		return nil, err
	}
	if len(f) == 0 || len(f) != head.Filter || hexSum(f) != head.FilterSum {
		return nil, errIndex
	}
	return &skipIndex{indexHead: *head, filter: f}, nil
}

// filter is a Bloom filter over token hashes.
type filter []byte

func (f filter) each(token uint64, visit func(at int, bit byte) bool) {
	bits := uint64(len(f)) * 8
	h, step := token&0xffffffff, token>>32|1
	for range filterHashes {
		at := h % bits
		if !visit(int(at/8), 1<<(at%8)) {
			return
		}
		h += step
	}
}

func (f filter) add(token uint64) {
	f.each(token, func(at int, bit byte) bool { f[at] |= bit; return true })
}

func (f filter) has(token uint64) bool {
	found := true
	f.each(token, func(at int, bit byte) bool { found = f[at]&bit != 0; return found })
	return found
}

// Kinds of tokens.
const (
	tokenActor   = 'a'
	tokenPath    = 'p'
	tokenRequest = 'r'
	tokenEvent   = 'e'
	tokenDeny    = 'd'
)

// token is the hash of a word of one kind; kinds keep an actor and a path of the
// same spelling apart.
func token(kind byte, s string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte{kind}) // a hash never fails
	_, _ = io.WriteString(h, s)
	// FNV leaves the high half of short inputs poorly mixed, and the filter
	// steps by it.
	x := h.Sum64()
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	return x ^ x>>33
}

// recordTokens are all words that search.plan may ask for. A word that is asked
// for and not here would hide records.
func recordTokens(r *Record) []uint64 {
	out := prefixTokens(nil, tokenActor, r.Actor)
	out = prefixTokens(out, tokenPath, r.Path())
	for _, d := range r.Denied {
		out = prefixTokens(out, tokenPath, deniedPath(d))
	}
	for _, id := range []string{r.RequestID, r.ClientRequestID} {
		if id != "" {
			out = append(out, token(tokenRequest, id))
		}
	}
	if r.Event != "" {
		out = append(out, token(tokenEvent, r.Event))
	}
	if r.Decision != "" {
		out = append(out, token(tokenDeny, r.Decision))
	}
	return out
}

// prefixTokens appends a token for s and for each prefix of it that ends
// before a slash, so that a search for a subtree can skip too.
func prefixTokens(out []uint64, kind byte, s string) []uint64 {
	if s == "" {
		return out
	}
	for i, depth := 0, 0; i < len(s) && depth < filterDepth; i++ {
		if s[i] == '/' {
			out = append(out, token(kind, s[:i]))
			depth++
		}
	}
	return append(out, token(kind, s))
}

// deniedPath is BUCKET/KEY of one entry of Record.Denied; names may hold
// spaces, the words around them do not.
func deniedPath(s string) string {
	_, s, _ = strings.Cut(s, " ")
	if at := strings.LastIndexByte(s, ' '); at >= 0 {
		s = s[:at]
	}
	return s
}
