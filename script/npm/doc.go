// Package npm installs a script's npm dependencies without Node on the
// machine: it reads brigade.json and package.json, resolves against a
// registry, checks every tarball, unpacks it into a cache that all builds
// share, and lays a node_modules tree out of that cache.
//
//	manifest → lock (read, or resolved anew) → fetch → verify → unpack → tree
//
// It never runs a package's install scripts, and makes no .bin directory.
//
// Everything the process environment would give (variables, home directory)
// enters through Options. A project's .npmrc may expand any variable in
// Options.Env, as with npm itself: hand over only what the project may see.
package npm
