// Package brigade holds the nouns and the contracts of Brigade, event-driven
// scripting for containers. It imports the standard library only; every stage
// below imports this package and none imports the next one.
//
//	request → gateway → Event → store → dispatch → script → Job → runner → feed → api → tui · web · cli
//
//	gateway/   what comes from outside becomes an Event
//	intake/    an event becomes stored builds: authenticated, matched with projects, recognised when repeated; schedules
//	store/     projects, builds, jobs and logs, kept: sqlite, postgres, memory, and the suite every store passes
//	projectfile/  projects as files: project.yaml, and what v1 reads and writes
//	source/    where a build's files come from: a directory or a git repository
//	dispatch/  a queued build is claimed, its script started, its jobs handed to a runner
//	script/    runs brigade.js in the embedded JavaScript engine, in a child process of its own
//	runner/    a Job becomes something that runs: process, docker, dummy
//	workspace/  files come to pods and go home again, without volumes
//	artifact/  the files that jobs leave behind: kept in a directory or a bucket
//	retention/  what nobody wants to keep any more is deleted
//	feed/      state changes and log lines: saved, and fanned out to whoever watches
//	metrics/ trace/  what changes are counted, for Prometheus, and told to an OpenTelemetry collector
//	api/       projects, builds, jobs and logs over HTTP: v1's routes and our own
//	client/    the API from the other side: a server looks like a store
//	tui/       what a person sees in a terminal
//	web/       what a person sees in a browser: projects, builds as waterfalls, logs
//	app/       Options → New → Start → Stop: the only place that knows everybody
//	cmd/brig/  the program
package brigade
