// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"bytes"
	"os"

	"golang.org/x/sys/unix"
)

const (
	// journalLine is about the length of the audit record of a request that is
	// measured here, in bytes.
	journalLine = 600
	// journalRoom is written to beforehand, so that no commit changes what the
	// file system knows of the file. What is full begins anew.
	journalRoom = 16 << 20
	// journalQueue is how many may wait.
	journalQueue = 1024
)

// journal makes lines durable, those of all who wait at once.
type journal struct {
	file    *os.File
	off     int64
	queue   chan chan error
	waiting []chan error
}

func newJournal(path string) (*journal, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	if _, err := f.Write(make([]byte, journalRoom)); err != nil {
		return nil, err
	}
	if err := f.Sync(); err != nil {
		return nil, err
	}
	j := &journal{file: f, queue: make(chan chan error, journalQueue)}
	go j.run()
	return j, nil
}

// add returns when a line is durable.
func (j *journal) add() error {
	told := make(chan error, 1)
	j.queue <- told
	return <-told
}

func (j *journal) run() {
	lines := bytes.Repeat([]byte("r"), journalQueue*journalLine)
	for first := range j.queue {
		j.waiting = append(j.waiting[:0], first)
		for len(j.queue) > 0 && len(j.waiting) < journalQueue {
			j.waiting = append(j.waiting, <-j.queue)
		}
		err := j.commit(lines[:len(j.waiting)*journalLine])
		for _, told := range j.waiting {
			told <- err
		}
	}
}

func (j *journal) commit(b []byte) error {
	if j.off+int64(len(b)) > journalRoom {
		j.off = 0
	}
	n, err := j.file.WriteAt(b, j.off)
	if err != nil {
		return err
	}
	j.off += int64(n)
	return unix.Fdatasync(int(j.file.Fd()))
}
