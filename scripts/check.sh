#!/bin/sh
# Everything a change has to pass, and what CI runs: sh scripts/check.sh
#
# On a machine with only Go and git it checks what can be checked there and says
# what it skipped. With CI=true nothing is skipped: what is missing is installed
# (Debian, as root), and what cannot be had fails.
#
#   CI=true           skip nothing
#   CHECK_ONLY="a b"  only these steps: format vet lint cluster test charts site bench cross
set -eu
cd "$(dirname "$0")/.."

export PATH="$PATH:/usr/sbin:/sbin" # where ip and iptables are
export GOTOOLCHAIN=local GOFLAGS=-buildvcs=false
ci=${CI:-false}
skipped=""
# Nothing on this machine but what is named here may decide a test.
unset BRIGADE_NAMESPACE NO_COLOR 2>/dev/null || true

say() { printf '\n== %s\n' "$*"; }
fail() { printf 'check: %s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }
skip() {
	[ "$ci" != true ] || fail "$1"
	echo "SKIPPED: $1"
	skipped="$skipped
  $1"
}
# need TOOL PACKAGE: is TOOL here, or can it be installed?
need() {
	have "$1" && return 0
	[ "$ci" = true ] || [ "${CHECK_INSTALL:-}" = true ] || return 1
	have apt-get && [ "$(id -u)" = 0 ] || return 1
	for attempt in 1 2 3; do # mirrors have their moments
		if [ -z "${apt_updated-}" ] || [ "$attempt" -gt 1 ]; then
			apt-get -qq update >/dev/null 2>&1 || true
			apt_updated=true
		fi
		echo "installing $2"
		DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $2 >/dev/null 2>&1 && have "$1" && return 0
		sleep 5
	done
	return 1
}

# The tests start an engine of their own (e2e/engine) when they find these.
find_engine() {
	for pair in podman:podman runc:runc busybox:busybox-static newuidmap:uidmap; do
		[ "$(uname -s)" = Linux ] && [ "$(id -u)" = 0 ] && need "${pair%%:*}" "${pair##*:}" && continue
		skip "jobs in containers: that needs Linux, root, podman, runc, busybox-static and uidmap"
		return 0
	done
}

# The tests start a Kubernetes of their own (e2e/cluster) when it is built, and
# with these a real node.
find_node() {
	for pair in containerd:containerd runc:runc busybox:busybox-static ip:iproute2 iptables:iptables \
		/usr/lib/cni/bridge:containernetworking-plugins; do
		[ "$(uname -s)" = Linux ] && [ "$(id -u)" = 0 ] && need "${pair%%:*}" "${pair##*:}" && continue
		skip "pods on a real node: that needs Linux, root, containerd, runc, containernetworking-plugins, busybox-static, iproute2 and iptables"
		return 0
	done
}

# The dashboard's tests drive a real browser.
find_browser() {
	have chromium || have chromium-browser || have google-chrome || need chromium chromium ||
		skip "the dashboard in a browser: that needs chromium"
}

# The store on PostgreSQL is tested on servers of its own (e2e/pgserver).
find_postgres() {
	for initdb in /usr/lib/postgresql/*/bin/initdb; do
		[ ! -x "$initdb" ] || return 0
	done
	have initdb || need pg_ctlcluster postgresql || skip "the store on PostgreSQL: that needs postgresql"
}

step_format() {
	say "format: gofmt"
	bad=$(gofmt -l .)
	[ -z "$bad" ] || fail "gofmt these files: $bad"
}

step_vet() {
	say "vet: go vet, on every platform we build for"
	go vet ./...
	for os in darwin windows; do
		GOOS=$os CGO_ENABLED=0 go vet -trimpath ./... # -trimpath: what it compiles serves cross, too
	done
}

step_lint() {
	say "lint: golangci-lint as pinned in tools/go.mod"
	go build -C tools -o ../bin/golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint
	bin/golangci-lint run --allow-parallel-runners ./...
	for module in deploy/charts docs/site; do
		(cd $module && ../../bin/golangci-lint run --allow-parallel-runners -c ../../.golangci.yml ./...)
	done
}

step_cluster() {
	say "cluster: a Kubernetes for the tests, built from its modules"
	find_node
	if [ "$ci" = true ]; then
		go run ./e2e/cluster/cmd/cluster -build
	elif ! go run ./e2e/cluster/cmd/cluster -check; then
		skip "what needs Kubernetes, or a real node: see above"
	fi
}

step_test() {
	say "test: go test, every example on every runner that is here"
	find_engine
	find_browser
	find_postgres
	race=-race
	if ! need gcc "gcc libc6-dev"; then
		skip "the race detector: there is no C compiler (gcc)"
		race=""
	fi
	[ -z "$race" ] || export CGO_ENABLED=1
	mkdir -p dist/screenshots
	export WEB_SHOTS="$PWD/dist/screenshots"
	go_test . $race -timeout 30m
	unset CGO_ENABLED WEB_SHOTS
}

# go_test DIR FLAGS: go test of the module in DIR, and what failed again, one package at a time
# and at most twice, when that is at most three packages: many tests kill, restart
# and overload real programs, and a busy machine may do more than a test foresaw.
# What did not pass at once is named, to be mended.
go_test() {
	dir=$1
	shift
	log=$(mktemp)
	{ go test -C "$dir" "$@" ./... || echo "check: go test failed"; } 2>&1 | tee "$log"
	flaky=$(failed_in "$log")
	passed=$(grep -q '^check: go test failed' "$log" && echo no || echo yes)
	broken=$(grep -c '^FAIL.*\[build failed\]\|^FAIL.*\[setup failed\]' "$log" || true)
	rm -f "$log"
	[ "$passed" = no ] || return 0
	[ "$broken" = 0 ] && [ -n "$flaky" ] && [ "$(echo "$flaky" | wc -l)" -le 3 ] || fail "tests failed"
	for package in $flaky; do
		say "once more: $package"
		go test -C "$dir" -count=1 "$@" "$package" || go test -C "$dir" -count=1 "$@" "$package" ||
			fail "$package failed three times"
	done
	printf 'FLAKY, to be mended: %s\n' "$(echo "$flaky" | tr '\n' ' ')"
}

# failed_in FILE: the packages whose tests failed, a line each.
failed_in() {
	sed -n 's/^FAIL[[:space:]]\{1,\}\([^[:space:]]*\/[^[:space:]]*\).*/\1/p' "$1"
}

# The charts have a module of their own, so that Helm's library stays out of ours.
step_charts() {
	say "charts: Helm renders, lints and installs them"
	find_node
	go vet -C deploy/charts ./...
	go_test deploy/charts -timeout 30m
}

# The web site's generator has a module of its own, as it needs more libraries.
step_site() {
	say "site: the documentation as a web site"
	find_browser
	go vet -C docs/site ./...
	go_test docs/site -timeout 20m
	(cd docs/site && go run .)
}

step_bench() {
	say "bench: speed and memory, printed and not judged: a busy machine is no fault"
	go test -run '^$' -bench . -benchtime 1x ./bench
}

step_cross() {
	say "cross: the program on every platform, and its size"
	sh scripts/cross.sh
}

for step in ${CHECK_ONLY:-format vet lint cluster test charts site bench cross}; do
	started=$(date +%s)
	"step_$step"
	echo "-- $step: $(($(date +%s) - started)) s"
done
if [ -n "$skipped" ]; then
	printf '\nAll that ran passed. Skipped (CI=true skips nothing):%s\n' "$skipped"
else
	printf '\nAll passed.\n'
fi
