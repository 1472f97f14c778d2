// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sealgate/sealgate/envelope"
)

// Config says where the keystore lies and what opens it.
type Config struct {
	// Path is the keystore file.
	Path string
	// Secret opens it, and seals it at each change.
	Secret Secret
	// Name is the KEK's name in the configuration: Wrapped.KEK.
	Name string
	// Argon2 are the costs of sealing by passphrase. Zero: the defaults.
	Argon2 Argon2
	// Generation and SetGeneration mirror the keystore's generation in the
	// state database; 0 is none. Nil: no mirror, as for a tool that works
	// without a database; an older keystore is then not noticed.
	Generation    func(ctx context.Context) (uint64, error)
	SetGeneration func(ctx context.Context, generation uint64) error
	// AcceptGeneration is the generation of a keystore that may be opened
	// though the mirror has seen a newer one: an operator says that this copy
	// is the best there is. Zero: none.
	AcceptGeneration uint64
	// Persist, if set, is called with one of PersistPoints before each durable
	// step.
	Persist func(point string)
	// Now is the clock of the versions' creation times. Zero: time.Now.
	Now func() time.Time
}

func (c Config) withDefaults() (Config, error) {
	if c.Persist == nil {
		c.Persist = func(string) {}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Generation == nil || c.SetGeneration == nil {
		c.Generation = func(context.Context) (uint64, error) { return 0, nil }
		c.SetGeneration = func(context.Context, uint64) error { return nil }
	}
	if c.Argon2 == (Argon2{}) {
		c.Argon2 = defaultArgon2
	}
	if !c.Argon2.valid() {
		return c, fmt.Errorf("argon2id costs %d KiB, %d passes, %d threads are out of bounds (65536 to 1048576, 1 to 10, 1 to 8)",
			c.Argon2.Memory, c.Argon2.Time, c.Argon2.Threads)
	}
	return c, nil
}

// KEK is an open keystore. It is safe for concurrent use.
type KEK struct {
	changing sync.Mutex // held while the file is changed; guards cfg.Secret
	cfg      Config
	now      atomic.Pointer[contents]
}

// contents is what the keystore held when it was last read or written;
// immutable.
type contents struct {
	generation uint64
	versions   []version
	file       os.FileInfo // as it was before it was read; nil: not known
}

// Format prints no key: package fmt reaches the bytes behind unexported fields
// without asking their methods.
func (c contents) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "generation %d, %d versions", c.generation, len(c.versions))
}

// Format prints where the keystore lies, never a key.
func (k *KEK) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "keystore %s", k.cfg.Path) }

func (c *contents) current() version { return c.versions[len(c.versions)-1] }

var (
	_ envelope.KEK     = (*KEK)(nil)
	_ envelope.Rotator = (*KEK)(nil)
)

// Created says what Create did beside the keystore.
type Created struct {
	// KeyFile is the path of the key file that was made, empty if there was
	// one or none is needed.
	KeyFile string
}

// Create makes a keystore with one key, and the key file if that is what seals
// it and it is absent. ErrExists if there is a keystore, ErrMissing if the
// mirror says that there was one.
func Create(ctx context.Context, c Config) (*KEK, Created, error) {
	k, made, err := create(ctx, c)
	if err != nil {
		return nil, Created{}, fmt.Errorf("making keystore %s: %w", c.Path, err)
	}
	return k, made, nil
}

func create(ctx context.Context, c Config) (*KEK, Created, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, Created{}, err
	}
	if err := os.MkdirAll(filepath.Dir(c.Path), 0o700); err != nil {
		return nil, Created{}, bare(err)
	}
	unlock, err := lockFolder(ctx, filepath.Dir(c.Path))
	if err != nil {
		return nil, Created{}, err
	}
	defer unlock()
	if err := c.mayCreate(ctx); err != nil {
		return nil, Created{}, err
	}
	var made Created
	if f := c.Secret.KeyFile; f != "" {
		switch ok, err := c.makeKeyFile(f); {
		case err != nil:
			return nil, Created{}, err
		case ok:
			made.KeyFile = f
		}
	}
	k := &KEK{cfg: c}
	key := envelope.NewKey()
	first := &contents{generation: 1, versions: []version{{number: 1, created: c.Now().UTC().Truncate(time.Second), key: &key}}}
	return k, made, k.write(ctx, c.Secret, first)
}

// mayCreate refuses to put a new keystore where one is or was: its keys would
// open nothing that exists.
func (c Config) mayCreate(ctx context.Context) error {
	switch _, err := os.Lstat(c.Path); {
	case err == nil:
		return ErrExists
	case !errors.Is(err, fs.ErrNotExist):
		return bare(err)
	}
	seen, err := c.Generation(ctx)
	if err != nil {
		return fmt.Errorf("reading its generation: %w", err)
	}
	if seen > 0 {
		return withBackup(fmt.Errorf("%w, though the state database has seen its generation %d", ErrMissing, seen), c.Path)
	}
	return nil
}

// Open opens a keystore. A file that is not there is fs.ErrNotExist, see
// Create; the other errors are those of this package, each one line.
func Open(ctx context.Context, c Config) (*KEK, error) {
	k, err := open(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("opening keystore %s: %w", c.Path, err)
	}
	return k, nil
}

func open(ctx context.Context, c Config) (*KEK, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	k := &KEK{cfg: c}
	found, err := k.read(ctx)
	if err != nil {
		return nil, err
	}
	seen, err := c.Generation(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading its generation: %w", err)
	}
	switch {
	case found.generation == seen:
	case found.generation > seen: // a crash between KEYSTORE.md §4 steps 3 and 5
		err = k.mirror(ctx, found.generation)
	case found.generation == c.AcceptGeneration:
		return k, k.change(ctx, nil, func(now contents) (contents, error) {
			now.generation = seen // change adds one
			return now, nil
		})
	default:
		err = fmt.Errorf("%w: it is generation %d, the state database has seen %d; put the newest copy back", ErrOlder, found.generation, seen)
	}
	k.now.Store(found)
	return k, err
}

// Inspect reads how a keystore is sealed, without opening it. Its errors are
// those of Open, without that prefix.
func Inspect(path string) (Seal, error) {
	k, err := load(path)
	return k.seal, err
}

func load(path string) (keystore, error) {
	b, err := readPrivate(path, maxKeystore)
	if err != nil {
		return keystore{}, err
	}
	return decodeKeystore(b)
}

// read reads and opens the file, with the secret of the configuration.
func (k *KEK) read(ctx context.Context) (*contents, error) {
	before, _ := os.Stat(k.cfg.Path) // not there: load says so
	file, err := load(k.cfg.Path)
	if errors.Is(err, ErrDamaged) {
		return nil, withBackup(err, k.cfg.Path)
	}
	if err != nil {
		return nil, err
	}
	s, err := k.cfg.Secret.read(ctx)
	if err != nil {
		return nil, err
	}
	defer s.wipe()
	vs, err := file.open(s)
	if errors.Is(err, ErrSecret) || errors.Is(err, ErrDamaged) {
		err = withBackup(err, k.cfg.Path)
	}
	if err != nil {
		return nil, err
	}
	return &contents{generation: file.generation, versions: vs, file: before}, nil
}

// fresh is what the keystore holds now, also if another process has changed the
// file: another replica that rotated must not be answered with the version that
// was current before. A file that cannot be read, or is older, changes nothing.
func (k *KEK) fresh(ctx context.Context) *contents {
	if k.unchanged() {
		return k.now.Load()
	}
	k.changing.Lock()
	defer k.changing.Unlock()
	now := k.now.Load()
	if k.unchanged() || k.cfg.Secret.Passphrase != nil { // read meanwhile; and nobody is asked for a passphrase in passing
		return now
	}
	if found, err := k.read(ctx); err == nil && found.generation >= now.generation {
		k.now.Store(found)
		return found
	}
	return now
}

// unchanged reports whether the file is still the one that was read.
func (k *KEK) unchanged() bool {
	was := k.now.Load().file
	is, err := os.Stat(k.cfg.Path)
	return err == nil && was != nil && os.SameFile(was, is) && was.ModTime().Equal(is.ModTime()) && was.Size() == is.Size()
}

// write seals next under secret, makes it durable and current, and mirrors its
// generation. The caller holds the folder's lock.
func (k *KEK) write(ctx context.Context, from Secret, next *contents) error {
	s, err := from.read(ctx)
	if err != nil {
		return err
	}
	defer s.wipe()
	if err := s.strongEnough(); err != nil {
		return err
	}
	file, err := sealKeystore(next.generation, k.cfg.Argon2, next.versions, s)
	if err != nil {
		return err
	}
	if err := k.cfg.replace(file.encode()); err != nil {
		return fmt.Errorf("writing it: %w", err)
	}
	written := *next
	written.file, _ = os.Stat(k.cfg.Path) // not known: it is read once more
	k.now.Store(&written)
	k.cfg.Secret = from
	return k.mirror(ctx, next.generation)
}

func (k *KEK) mirror(ctx context.Context, generation uint64) error {
	k.cfg.Persist(pointGeneration)
	if err := k.cfg.SetGeneration(ctx, generation); err != nil {
		return fmt.Errorf("noting its generation %d: %w", generation, err)
	}
	return nil
}

// change applies edit to what the file holds now and writes the result with the
// next generation, sealed by to; nil keeps the secret.
func (k *KEK) change(ctx context.Context, to *Secret, edit func(contents) (contents, error)) error {
	k.changing.Lock()
	defer k.changing.Unlock()
	unlock, err := lockFolder(ctx, filepath.Dir(k.cfg.Path))
	if err != nil {
		return err
	}
	defer unlock()
	// Read again: a command may have changed the file under a running gateway.
	found, err := k.read(ctx)
	if err != nil {
		return err
	}
	if last := k.now.Load(); last != nil && found.generation < last.generation {
		return fmt.Errorf("%w: it is generation %d, this process has seen %d; put the newest copy back", ErrOlder, found.generation, last.generation)
	}
	next, err := edit(*found)
	if err != nil {
		return err
	}
	next.generation++
	if to == nil {
		to = &k.cfg.Secret
	}
	return k.write(ctx, *to, &next)
}

// ChangeSecret seals the keystore with another secret: another passphrase, or
// a key file instead of one, or the other way round. The keystore before it is
// kept as keystore.1 and still opens with the old secret. A key file that does
// not exist is made, and reported.
func (k *KEK) ChangeSecret(ctx context.Context, to Secret) (made Created, err error) {
	if to.KeyFile != "" {
		ok, err := k.cfg.makeKeyFile(to.KeyFile)
		if err != nil {
			return Created{}, err
		}
		if ok {
			made.KeyFile = to.KeyFile
		}
	}
	err = k.change(ctx, &to, func(c contents) (contents, error) { return c, nil })
	if err != nil {
		return made, fmt.Errorf("changing the secret of keystore %s: %w", k.cfg.Path, err)
	}
	return made, nil
}
