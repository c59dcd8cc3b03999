#!/bin/sh
# Builds brig for every platform into dist/ and prints the stripped sizes.
# Fails when the program is bigger than the budget.
set -eu
cd "$(dirname "$0")/.."
budget_mb=80 # see docs/design/decisions.md
version=${VERSION:-$(git describe --tags --always --dirty 2>/dev/null || echo dev)}

for platform in linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64; do
	os=${platform%/*} arch=${platform#*/} exe=""
	[ "$os" != windows ] || exe=.exe
	out=dist/brig-$os-$arch$exe
	GOOS=$os GOARCH=$arch CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$version" -o "$out" ./cmd/brig
	bytes=$(wc -c <"$out" | tr -d ' ')
	printf '%-14s %6d.%d MB  %s\n' "$platform" $((bytes / 1000000)) $((bytes / 100000 % 10)) "$out"
	if [ "$bytes" -gt $((budget_mb * 1000000)) ]; then
		echo "cross: brig for $platform is bigger than the budget of $budget_mb MB" >&2
		exit 1
	fi
done
