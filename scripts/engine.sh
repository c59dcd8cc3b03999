#!/bin/sh
# Starts a container engine for tests, with images made on the spot, and prints
# the address of its socket. Needs root, podman, an OCI runtime and a static
# busybox; no network, no registry. What it starts keeps its containers and
# images in a directory of its own.
#
#   scripts/engine.sh start DIR   start, print unix://DIR/engine.sock
#   scripts/engine.sh stop DIR    stop, and remove DIR
#
# DIR must be short: a socket's path has at most 107 bytes.
set -eu
cd "$(dirname "$0")/.."

die() { echo "engine: $*" >&2; exit 1; }

# The images that tests and examples name. Each is busybox with a shell.
images="alpine:3.20 alpine:latest alpine:3.4 busybox:latest busybox:1.36 debian:12 debian:latest
	node:20 golang:1.26"

pod() {
	export CONTAINERS_CONF="$dir/containers.conf"
	${pod_exec-} podman --root "$dir/root" --runroot "$dir/run" --cgroup-manager cgroupfs --events-backend file "$@"
}

hard_files() { # this shell's hard limit of open files, as soft:hard
	n=$(ulimit -Hn)
	[ "$n" != unlimited ] || n=1048576
	echo "$n:$n"
}

rootfs() { # DIR: a small root file system around busybox
	busybox=$(command -v busybox) || die "busybox is not installed (apt-get install busybox-static)"
	mkdir -p "$1/bin" "$1/tmp" "$1/etc" "$1/root" "$1/proc" "$1/sys" "$1/dev" "$1/usr/bin" "$1/usr/local/bin" "$1/var/run"
	chmod 1777 "$1/tmp"
	cp -L "$busybox" "$1/bin/busybox"
	(cd "$1/bin" && for tool in $(./busybox --list); do
		[ "$tool" = busybox ] || ln -s busybox "$tool"
	done)
	# A test image answers to bash as well; what needs more than sh does not run on it.
	[ -e "$1/bin/bash" ] || ln -s busybox "$1/bin/bash"
	ln -s ../../bin/env "$1/usr/bin/env"
	echo 'root:x:0:0:root:/root:/bin/sh' >"$1/etc/passwd"
	echo 'root:x:0:' >"$1/etc/group"
	echo 'ID=busybox' >"$1/etc/os-release"
}

# layer NAME PROGRAM…: an image on top of the base with stand-ins for what is in
# the real one, which take the same arguments.
layer() {
	image=$1
	shift
	mkdir -p "$dir/layer"
	printf 'FROM %s\n' "$base" >"$dir/layer/Containerfile"
	for program in "$@"; do
		cp "scripts/standins/${program##*/}" "$dir/layer/${program##*/}"
		chmod 755 "$dir/layer/${program##*/}"
		printf 'COPY %s %s\n' "${program##*/}" "$program" >>"$dir/layer/Containerfile"
	done
	pod build --quiet --isolation chroot --tag "docker.io/$image" "$dir/layer" >/dev/null 2>>"$dir/log" ||
		die "the image $image cannot be made: $(cat "$dir/log")"
	rm -rf "$dir/layer"
}

start() {
	command -v podman >/dev/null || die "podman is not installed"
	[ ! -S "$dir/engine.sock" ] || die "$dir/engine.sock exists: an engine runs there already"
	mkdir -p "$dir"
	# podman raises limits beyond what a machine without CAP_SYS_RESOURCE allows.
	cat >"$dir/containers.conf" <<-CONF
		[containers]
		default_ulimits = ["nofile=$(hard_files)", "nproc=4096:4096"]
	CONF
	rootfs "$dir/rootfs"
	base=docker.io/library/${images%% *}
	tar -C "$dir/rootfs" -c . | pod import --change 'CMD ["/bin/sh"]' --change 'ENV PATH=/usr/local/bin:/usr/bin:/bin' - "$base" >/dev/null 2>"$dir/log" ||
		die "the images cannot be made: $(cat "$dir/log")"
	for image in $images; do
		[ "docker.io/library/$image" = "$base" ] || pod tag "$base" "docker.io/library/$image"
	done
	layer library/docker:dind /usr/local/bin/docker /usr/local/bin/dockerd-entrypoint.sh
	layer technosophos/slack-notify:latest /slack-notify
	(pod_exec=exec && pod system service --time 0 "unix://$dir/engine.sock") >>"$dir/log" 2>&1 </dev/null &
	echo $! >"$dir/pid"
	tries=0
	until curl_ping; do
		tries=$((tries + 1))
		[ $tries -lt 100 ] || die "it does not answer: $(cat "$dir/log")"
		kill -0 "$(cat "$dir/pid")" 2>/dev/null || die "it ended: $(cat "$dir/log")"
		sleep 0.1
	done
	echo "unix://$dir/engine.sock"
}

curl_ping() { podman --remote --url "unix://$dir/engine.sock" version >/dev/null 2>&1; }

stop() {
	if [ -d "$dir/root" ]; then
		pod rm --all --force --time 0 >/dev/null 2>&1 || true
		[ ! -f "$dir/pid" ] || kill "$(cat "$dir/pid")" 2>/dev/null || true
		pod rmi --all --force >/dev/null 2>&1 || true
		umount "$dir/root/overlay" 2>/dev/null || true
	fi
	rm -rf "$dir"
}

[ $# -eq 2 ] || die "usage: scripts/engine.sh start|stop DIR"
dir=$2
case $1 in
start) start ;;
stop) stop ;;
*) die "usage: scripts/engine.sh start|stop DIR" ;;
esac
