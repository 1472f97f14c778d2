// SPDX-License-Identifier: Apache-2.0

// Package attack tests the running program against those who mean harm: over
// its real listener, with certificates, requests and stored objects that no
// honest client or storage would show it. Each case asserts what was answered
// and what is on the audit record.
package attack
