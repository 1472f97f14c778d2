// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"fmt"

	"github.com/sealgate/sealgate/gateway/config"
)

func ExampleLoad() {
	const src = `version: 1
bukets: {}
limits: {drain: 60}
`
	_, faults := config.Load("sealgate.yaml", []byte(src), "/var/lib/sealgate")
	for _, f := range faults {
		fmt.Println(f)
	}
	// Output:
	// sealgate.yaml:2:1: error E004: unknown key "bukets"; did you mean "buckets"?
	// sealgate.yaml:3:17: error E512: limits.drain: "60" is not a duration; write 60s
}
