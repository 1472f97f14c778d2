// SPDX-License-Identifier: Apache-2.0

package rotation

// The durable steps of this package. Between them lie those of the state
// database and of the KEK.
const (
	pointMarkerPut    = "rotation.marker.put"
	pointRecordPut    = "rotation.record.put"
	pointRecordDelete = "rotation.record.delete"
	pointRotateKEK    = "rotation.kek.rotate"
)

// PersistPoints lists every name that Config.Persist is called with.
var PersistPoints = []string{pointMarkerPut, pointRecordPut, pointRecordDelete, pointRotateKEK}
