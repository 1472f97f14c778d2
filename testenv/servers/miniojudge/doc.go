// SPDX-License-Identifier: Apache-2.0

// Package miniojudge pins the version of minio-go whose functional tests judge the
// gateway. They are one file of that module, built from where the module lies.
package miniojudge

import _ "github.com/minio/minio-go/v7" // the version that go.mod names
