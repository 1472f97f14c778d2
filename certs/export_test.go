// SPDX-License-Identifier: Apache-2.0

package certs

// CheckKey lets a test show keys that would take seconds to make.
var CheckKey = checkKey
