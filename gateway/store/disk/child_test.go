// SPDX-License-Identifier: Apache-2.0

package disk_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/sealgate/sealgate/gateway/store"
	"github.com/sealgate/sealgate/gateway/store/disk"
)

// Some tests need a process that dies, or that sees another file system: this
// test binary again, told by variables what to do.
const (
	childJob = "SEALGATE_DISK_JOB"
	childDir = "SEALGATE_DISK_DIR"
	childArg = "SEALGATE_DISK_ARG"
)

func TestMain(m *testing.M) {
	jobs := map[string]func(dir, arg string) error{"crash": crashAt, "full": fillUp}
	if job := jobs[os.Getenv(childJob)]; job != nil {
		if err := job(os.Getenv(childDir), os.Getenv(childArg)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child runs a job in a process of its own and returns how that ended.
func child(t *testing.T, job, dir, arg string, attr *syscall.SysProcAttr) (*os.ProcessState, string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childJob+"="+job, childDir+"="+dir, childArg+"="+arg)
	cmd.SysProcAttr = attr
	out, err := cmd.CombinedOutput()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		t.Fatalf("running %s: %v", job, err)
	}
	return cmd.ProcessState, string(out)
}

// write is one Put of the jobs.
func write(s store.Store, key, body string, o store.PutOptions) error {
	o.Size = int64(len(body))
	o.Metadata = strings.ToUpper(body[:3])
	_, err := s.Put(context.Background(), key, strings.NewReader(body), o)
	return err
}

// The bodies of the crash test: large, so that a part of one would show.
var (
	oldBody = strings.Repeat("old", 20_000)
	newBody = strings.Repeat("new", 30_000)
)

// crashAt makes one change, named by arg as CHANGE@POINT, and dies at the point.
func crashAt(dir, arg string) error {
	change, point, _ := strings.Cut(arg, "@")
	s, err := disk.Open(disk.Config{Dir: dir, Persist: func(p string) {
		if p == point {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}})
	if err != nil {
		return err
	}
	return changes[change](s)
}

// changes are what the crash test interrupts.
var changes = map[string]func(store.Store) error{
	"overwrite": func(s store.Store) error { return write(s, "dir/old", newBody, store.PutOptions{}) },
	"create":    func(s store.Store) error { return write(s, "dir/new", newBody, store.PutOptions{IfNoneMatch: true}) },
	"deep":      func(s store.Store) error { return write(s, "a/b/c/new", newBody, store.PutOptions{}) },
	"delete":    func(s store.Store) error { return s.Delete(context.Background(), "dir/old") },
	"complete":  func(s store.Store) error { return upload(s, "dir/new", store.CompleteOptions{IfNoneMatch: true}) },
	"recomplete": func(s store.Store) error {
		return upload(s, "dir/old", store.CompleteOptions{})
	},
	"abort": func(s store.Store) error {
		m := s.(store.Multiparter)
		name, err := m.CreateMultipart(context.Background(), "dir/new", "NEW")
		if err != nil {
			return err
		}
		_, err = m.PutPart(context.Background(), "dir/new", name, 1, strings.NewReader(newBody), int64(len(newBody)))
		return errors.Join(err, m.AbortMultipart(context.Background(), "dir/new", name))
	},
	"copy":     func(s store.Store) error { return copyOld(s, "dir/new") },
	"copydeep": func(s store.Store) error { return copyOld(s, "a/b/c/new") },
	"recopy":   func(s store.Store) error { return copyOld(s, "dir/old") },
	"tag": func(s store.Store) error {
		return s.(store.Tagger).SetTags(context.Background(), "dir/old", "", []store.Tag{{Key: "new", Value: "new"}})
	},
	"untag": func(s store.Store) error { return s.(store.Tagger).SetTags(context.Background(), "dir/old", "", nil) },
	"replace": func(s store.Store) error {
		obj, err := s.Head(context.Background(), "dir/old")
		if err != nil {
			return err
		}
		return write(s, "dir/old", newBody, store.PutOptions{IfMatch: obj.ETag})
	},
}

// fillUpload completes an upload whose parts fit, but not beside what is made of
// them: it stays, and can be completed with less.
func fillUpload(s *disk.Store) error {
	ctx, part := context.Background(), strings.Repeat("prt", 400_000)
	name, err := s.CreateMultipart(ctx, "up", "PRT")
	if err != nil {
		return err
	}
	var parts []store.PartTag
	for n := range 2 {
		tag, err := s.PutPart(ctx, "up", name, n+1, strings.NewReader(part), int64(len(part)))
		if err != nil {
			return err
		}
		parts = append(parts, store.PartTag{Number: n + 1, ETag: tag})
	}
	if _, err := s.PutPart(ctx, "up", name, 3, strings.NewReader(part+part), int64(2*len(part))); !errors.Is(err, store.ErrNoSpace) {
		return errors.Join(errors.New("a part beyond the space was not ErrNoSpace"), err)
	}
	for range 3 {
		if _, err := s.CompleteMultipart(ctx, "up", name, parts, store.CompleteOptions{}); !errors.Is(err, store.ErrNoSpace) {
			return errors.Join(errors.New("a completion beyond the space was not ErrNoSpace"), err)
		}
	}
	if _, err := s.CompleteMultipart(ctx, "up", name, parts[1:], store.CompleteOptions{}); err != nil {
		return err
	}
	return s.Delete(ctx, "up")
}

// upload makes an object of three parts, one of which is sent twice.
func upload(s store.Store, key string, o store.CompleteOptions) error {
	m, ctx := s.(store.Multiparter), context.Background()
	name, err := m.CreateMultipart(ctx, key, "NEW")
	if err != nil {
		return err
	}
	third := len(newBody) / 3
	tags := make([]store.PartTag, 4)
	for _, n := range []int{3, 1, 2, 2} {
		body := newBody[(n-1)*third : n*third]
		tag, err := m.PutPart(ctx, key, name, n, strings.NewReader(body), int64(third))
		if err != nil {
			return err
		}
		tags[n] = store.PartTag{Number: n, ETag: tag}
	}
	_, err = m.CompleteMultipart(ctx, key, name, tags[1:], o)
	return err
}

// copyOld copies the object that is there before.
func copyOld(s store.Store, dst string) error {
	obj, err := s.Head(context.Background(), "dir/old")
	if err != nil {
		return err
	}
	_, err = s.(store.Copier).Copy(context.Background(), dst, "dir/old", store.CopyOptions{Metadata: obj.Metadata, SourceETag: obj.ETag})
	return err
}

// fillUp mounts a small file system on dir, which only this process sees, and
// writes until it is full. What fits must stay, what does not must be told.
func fillUp(dir, _ string) error {
	if err := syscall.Mount("none", dir, "tmpfs", 0, "size=4m"); err != nil {
		return err
	}
	s, err := disk.Open(disk.Config{Dir: dir})
	if err != nil {
		return err
	}
	small, big := strings.Repeat("sml", 100_000), strings.Repeat("big", 2_000_000)
	if err := write(s, "small", small, store.PutOptions{}); err != nil {
		return err
	}
	for range 3 { // again: a failed write gives its space back
		if err := write(s, "big", big, store.PutOptions{}); !errors.Is(err, store.ErrNoSpace) {
			return errors.Join(errors.New("a write beyond the space was not ErrNoSpace"), err)
		}
		if err := write(s, "small", big, store.PutOptions{}); !errors.Is(err, store.ErrNoSpace) {
			return errors.Join(errors.New("an overwrite beyond the space was not ErrNoSpace"), err)
		}
	}
	if err := fillUpload(s); err != nil {
		return err
	}
	if obj, err := s.Head(context.Background(), "small"); err != nil || obj.Size != int64(len(small)) {
		return errors.Join(errors.New("the object that fits is not there any more"), err)
	}
	if _, err := s.Head(context.Background(), "big"); !errors.Is(err, store.ErrNotFound) {
		return errors.Join(errors.New("the object that does not fit is there"), err)
	}
	return write(s, "small2", small, store.PutOptions{})
}
