// Command site makes the documentation's web site of the Markdown in docs: one
// page a file, a search that needs no server, and nothing from other hosts.
//
//	pages → render → check → write
//
// It fails when a page is not in the contents (docs/README.md), or when a link
// or its anchor leads nowhere.
package main
