// SPDX-License-Identifier: Apache-2.0

// Package pemfile keeps an identity in three PEM files: the certificate with its
// intermediates, its private key (PKCS#8), and the roots of its trust domain.
//
// # Reading
//
// Files are changed by other programs, often in place and one after the other. So a
// read counts only if the files read the same twice, the key belongs to the
// certificate, and the chain verifies against the bundle; else it is tried again
// and the last good identity stays in force. A key file that its group or others
// may read is refused. The files are read every two seconds rather than watched:
// that also sees network file systems and replaced symbolic links.
//
// # Writing
//
// [Write] never leaves a certificate beside the key of another. It fills a directory
// of its own, and then lets one symbolic link point to it:
//
//	DIR/svid.pem   -> .svid/svid.pem
//	DIR/key.pem    -> .svid/key.pem
//	DIR/bundle.pem -> .svid/bundle.pem
//	DIR/.svid      -> .svid-4f1c.../         replaced by one rename
//
// Whenever the machine stops, the three files are those of before or those of
// after. A reader that opens one file just before the rename and another just after
// can still hold a mixed pair; opening both again mends it. The generation before
// stays until the next write, so that a reader on its way finds its files.
package pemfile
