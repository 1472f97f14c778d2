// SPDX-License-Identifier: Apache-2.0

package audit

// Kill points: see Config.Persist and AUDIT.md "Kill points".
const (
	pointKey           = "audit/key"
	pointKeyRename     = "audit/key-rename"
	pointDirectory     = "audit/directory"
	pointCreate        = "audit/segment-create"
	pointReserve       = "audit/segment-reserve"
	pointWrite         = "audit/segment-write"
	pointSync          = "audit/segment-sync"
	pointCut           = "audit/segment-cut"
	pointSeal          = "audit/segment-seal"
	pointTile          = "audit/tile"
	pointTileDirectory = "audit/tile-directory"
	pointCheckpoint    = "audit/checkpoint"
	pointCheckpointNew = "audit/checkpoint-rename"
	pointCheckpointDir = "audit/checkpoint-directory"
	pointIndex         = "audit/index"
	pointIndexRename   = "audit/index-rename"
)

// PersistPoints are all the names that Config.Persist is called with.
var PersistPoints = []string{
	pointKey, pointKeyRename, pointDirectory,
	pointCreate, pointReserve, pointWrite, pointSync, pointCut, pointSeal,
	pointTile, pointTileDirectory,
	pointCheckpoint, pointCheckpointNew, pointCheckpointDir,
	pointIndex, pointIndexRename,
}

// durable is a disk that announces each step that makes something last.
type durable struct {
	disk
	persist func(point string)
}

func (s durable) at(point string) {
	if s.persist != nil {
		s.persist(point)
	}
}

// steps are the points of one atomic replacement.
type steps struct{ sync, rename, directory string }

// replace writes name so that after a crash either the old or the new content
// is there, whole. The directory that holds it is dir.
func (s durable) replace(dir, name string, data []byte, at steps) error {
	temp := name + tempSuffix
	if err := s.fresh(temp, data, at.sync); err != nil {
		return err
	}
	s.at(at.rename)
	if err := s.rename(temp, name); err != nil {
		return err
	}
	s.at(at.directory)
	return s.syncDir(dir)
}

// fresh writes a file of that name and makes its content durable; what a
// crash left there before goes away.
func (s durable) fresh(name string, data []byte, point string) (err error) {
	f, err := s.createOver(name)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}()
	if _, err := f.WriteAt(data, 0); err != nil {
		return err
	}
	s.at(point)
	return f.datasync()
}

// createOver makes an empty file, removing an older one of the same name.
func (s durable) createOver(name string) (file, error) {
	f, err := s.create(name)
	if !isExist(err) {
		return f, err
	}
	if err := s.remove(name); err != nil {
		return nil, err
	}
	return s.create(name)
}
