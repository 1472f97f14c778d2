// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"os"

	"golang.org/x/term"
)

func terminalIn(r io.Reader) bool {
	f, ok := r.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// lineReader reads to the end of one line, byte by byte: what follows belongs
// to someone else.
type lineReader struct{ r io.Reader }

func (l *lineReader) Read(p []byte) (int, error) {
	if len(p) == 0 || l.r == nil {
		return 0, io.EOF
	}
	n, err := l.r.Read(p[:1])
	if n == 1 && p[0] == '\n' {
		l.r = nil
		return 0, io.EOF
	}
	return n, err
}
