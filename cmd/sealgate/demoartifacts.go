// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
)

// Sizes of what the demo makes: a data set of 8 MiB and a model of 64 MiB of
// weights.
const (
	demoRows    = 8 << 20 / demoRowSize
	demoRowSize = 64
	demoWeights = 64 << 20
)

// makeArtifacts writes a CSV data set and, unless the caller brought one, a
// model.
func (d *demo) makeArtifacts() error {
	d.dataset, d.model = filepath.Join(d.dir, "train.csv"), filepath.Join(d.dir, "v1.safetensors")
	if err := writeFile(d.dataset, writeDataset); err != nil {
		return err
	}
	if d.opts.artifact != "" {
		info, err := os.Stat(d.opts.artifact)
		if err != nil || !info.Mode().IsRegular() {
			return usage("name a regular file", "--artifact %s cannot be read", d.opts.artifact)
		}
		d.model = d.opts.artifact
		return nil
	}
	return writeFile(d.model, writeModel)
}

func writeFile(name string, write func(io.Writer) error) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("making %s: %w", name, err)
	}
	w := bufio.NewWriterSize(f, 1<<20)
	err = write(w)
	if err == nil {
		err = w.Flush()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// writeDataset writes rows of exactly demoRowSize bytes: an id, an amount, a
// country and a label.
func writeDataset(w io.Writer) error {
	countries := []string{"FR", "DE", "NL", "ES", "IT"}
	var noise [8]byte
	for i := range demoRows {
		_, _ = rand.Read(noise[:]) // never fails
		n := binary.LittleEndian.Uint64(noise[:])
		row := fmt.Sprintf("%012d,%09d.%02d,%s,%t", i, n%1e9, n%97, countries[n%5], n%50 == 0)
		if _, err := fmt.Fprintf(w, "%-*s\n", demoRowSize-1, row); err != nil {
			return err
		}
	}
	return nil
}

// writeModel writes a valid safetensors file: the length of the header, the
// header, and one matrix of float32 weights.
func writeModel(w io.Writer) error {
	const columns = 1024
	header, err := json.Marshal(map[string]any{
		"__metadata__": map[string]string{"format": "pt", "made_by": "sealgate demo"},
		"layer.weight": map[string]any{"dtype": "F32", "shape": []int{demoWeights / 4 / columns, columns}, "data_offsets": []int{0, demoWeights}},
	})
	if err != nil {
		return err
	}
	for len(header)%8 != 0 {
		header = append(header, ' ')
	}
	if _, err := w.Write(append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header...)); err != nil {
		return err
	}
	row, noise := make([]byte, 4*columns), make([]byte, 4*columns)
	for range demoWeights / len(row) {
		_, _ = rand.Read(noise) // never fails
		for i := 0; i < len(row); i += 4 {
			v := float32(int32(binary.LittleEndian.Uint32(noise[i:]))) / (1 << 36)
			binary.LittleEndian.PutUint32(row[i:], math.Float32bits(v))
		}
		if _, err := w.Write(row); err != nil {
			return err
		}
	}
	return nil
}
