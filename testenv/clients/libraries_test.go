// SPDX-License-Identifier: Apache-2.0

package clients

// libraries are the clients that are libraries of machine learning.
var libraries = []client{}
