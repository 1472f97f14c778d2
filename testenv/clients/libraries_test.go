// SPDX-License-Identifier: Apache-2.0

package clients

import (
	"strings"
	"testing"

	"github.com/sealgate/sealgate/testenv/servers"
)

// libraries are the clients that are libraries of machine learning. Those that
// can be given no certificate have the agent alone.
var libraries = []client{
	{
		name: "datasets", ways: []way{mtls, agent}, heavy: true, lacks: []string{"sync", "copy", "delete"},
		open: script(servers.MLPython, "datasets_client.py"),
	},
	{name: "DVC", ways: []way{agent}, heavy: true, lacks: []string{"copy"}, open: synced(script(servers.MLPython, "dvc_client.py"), 4)},
	{
		name: "MLflow", ways: []way{agent}, heavy: true, lacks: []string{"range", "sync", "copy"},
		open: script(servers.MLPython, "mlflow_client.py"),
	},
	{name: "pyarrow", ways: []way{agent}, heavy: true, lacks: []string{"sync"}, open: script(servers.MLPython, "pyarrow_client.py")},
	{name: "s3fs", ways: []way{mtls, agent}, heavy: true, open: synced(script(servers.MLPython, "s3fs_client.py"), 3)},
	{
		name: "s3torchconnectorclient", ways: []way{agent}, heavy: true, lacks: []string{"sync"},
		open: script(servers.MLPython, "s3torchconnector_client.py"),
	},
	{
		name: "safetensors", ways: []way{mtls, agent}, heavy: true, lacks: []string{"list", "sync", "copy", "delete"},
		open: script(servers.MLPython, "safetensors_client.py"),
	},
}

// synced holds the audit log against what a client says of its two syncs: n
// objects were written once, and none was read twice. DVC reads its list of a
// folder, which it calls .dir, more than once in the first pull.
func synced(open func(*testing.T, *world) play, n int) func(*testing.T, *world) play {
	return func(t *testing.T, w *world) play {
		t.Helper()
		p := open(t, w)
		told, has := p.steps["sync"]
		if !has {
			return p
		}
		p.steps["sync"] = func(t *testing.T) {
			t.Helper()
			told(t)
			w.once(t, "sync/", n)
			read := map[string]bool{}
			for _, m := range w.moved(t, "sync/") {
				if event, key, _ := strings.Cut(m, " "); event == "artifact.read" {
					if read[key] && !strings.HasSuffix(key, ".dir") {
						t.Errorf("%s was read again", key)
					}
					read[key] = true
				}
			}
			if len(read) != n {
				t.Errorf("%d objects were read, want %d", len(read), n)
			}
		}
		return p
	}
}
