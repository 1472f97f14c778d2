// SPDX-License-Identifier: Apache-2.0

package authority

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
)

const entriesVersion = 1

// entriesDoc is entries.json.
type entriesDoc struct {
	Version int     `json:"version"`
	Entries []Entry `json:"entries"`
}

// Entries returns the entries in force, in order of addition.
func (a *Authority) Entries() []Entry {
	entries := slices.Clone(a.state.Load().entries)
	for i := range entries {
		entries[i] = entries[i].clone()
	}
	return entries
}

// AddEntry puts an entry in force and returns it with its id. It is durable and
// streams are being told when AddEntry returns. The error wraps [ErrEntry] if e may
// not be; after any other error the entry is not in force, but may be so after a
// restart if the disk failed in the last step.
func (a *Authority) AddEntry(e Entry) (Entry, error) {
	e = e.clone()
	if e.ID == "" {
		e.ID = hex.EncodeToString(randomBytes(6))
	}
	if err := a.checkEntry(e); err != nil {
		return Entry{}, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	old := a.state.Load().entries
	if len(old) >= maxEntries {
		return Entry{}, fmt.Errorf("%w: there are %d entries already", ErrEntry, maxEntries)
	}
	if err := checkUnique(old, e); err != nil {
		return Entry{}, err
	}
	if err := a.replaceEntries(append(slices.Clip(old), e)); err != nil {
		return Entry{}, fmt.Errorf("adding entry %s: %w", e.ID, err)
	}
	return e.clone(), nil
}

// DeleteEntry takes an entry out of force. When it returns, nothing new is issued
// for it and streams that nothing is left for are being ended. SVIDs that are out
// stay valid until they expire. The error wraps [ErrNoEntry] if there is none.
func (a *Authority) DeleteEntry(id string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	old := a.state.Load().entries
	i := slices.IndexFunc(old, func(e Entry) bool { return e.ID == id })
	if i < 0 {
		return fmt.Errorf("%w: %q", ErrNoEntry, id)
	}
	if err := a.replaceEntries(slices.Delete(slices.Clone(old), i, i+1)); err != nil {
		return fmt.Errorf("deleting entry %s: %w", id, err)
	}
	return nil
}

// replaceEntries writes first and puts in force then: what is in force is always
// on disk. It is called with mu held.
func (a *Authority) replaceEntries(entries []Entry) error {
	doc := entriesDoc{Version: entriesVersion, Entries: entries}
	data, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding entries: %w", err)
	}
	if err := a.files.write(entriesFile, append(data, '\n')); err != nil {
		return err
	}
	a.publish(func(st *state) { st.entries = entries })
	return nil
}

// loadEntries reads entries.json; no file is no entries.
func (a *Authority) loadEntries() ([]Entry, error) {
	data, err := a.files.read(entriesFile)
	if err != nil || data == nil {
		return nil, err
	}
	var doc entriesDoc
	err = decodeStrict(data, &doc)
	if err == nil && doc.Version != entriesVersion {
		err = fmt.Errorf("it has version %d; this program reads version %d", doc.Version, entriesVersion)
	}
	if err == nil {
		err = a.checkEntries(doc.Entries)
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", filepath.Join(a.cfg.Dir, entriesFile.name), err)
	}
	return doc.Entries, nil
}

// randomBytes returns n bytes of crypto/rand, which never fails.
func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // ends the process rather than return an error
	return b
}
