// Package process is the runner whose jobs are processes of this machine: the
// tasks run with the shell the job names and the tools that are installed
// here. The job's image is not used, and no engine or daemon is needed.
//
// It is made for your own scripts. It keeps honest jobs from hurting each
// other, the working tree and the machine; it is not a sandbox for strangers.
//
// # Isolated (Linux)
//
// Where the kernel allows user and mount namespaces, with root or without, a
// job starts in namespaces of its own (user, mount, pid, ipc, uts):
//
//   - Its root directory is private. Every directory of the host is there,
//     read-only, the user's tools included. The root itself and directories
//     made below it are writable, live in memory (64 MiB) and go with the job.
//   - The source is at mountPath, wherever that is: an overlay whose upper
//     layer belongs to the job, or a copy where the file system has no overlay
//     or other file systems are mounted inside the source. An overlay shows
//     what changes below it while the job runs. mountPath, storage, cache and
//     volumes may be at any path but /, /proc, /sys and /dev.
//   - /mnt/brigade/share, /mnt/brigade/cache, /hook/main.sh are where scripts
//     expect them. The job works in mountPath, or without source in its home.
//   - /tmp (with /var/tmp), /dev/shm, /dev and $HOME are the job's own. /home, /root,
//     the state directory and Options.Hide are hidden: they hold keys and
//     tokens. Tools that live there are made visible with Options.Show.
//   - /run is empty but for what name resolution needs: sockets of engines and
//     of the system bus would let a job write to the host by asking somebody
//     else. docker.enabled brings the engine's socket back.
//   - /dev has null, zero, full, random, urandom, tty, pseudo terminals, and
//     fuse, kvm and net/tun where they exist; no disks. /proc shows only the
//     job's processes, /proc/sys and /sys are read-only.
//   - Nobody gains privileges: setuid programs such as sudo do not work, and a
//     job of root keeps only the capabilities containers have by default, and
//     those only within its namespaces.
//   - All its processes end with it, daemons too, and all jobs end when the
//     program that started them does, however that happens.
//
// What is shared with the host all the same: the network (ports, abstract
// sockets, services on localhost), every file the user may read outside the
// hidden places, sockets outside /run and /tmp, CPU, memory,
// disk space and number of processes unless limited, and the kernel. A job runs as the user who runs the program.
//
// Where a new /proc is refused, as within many containers, the job sees the
// processes of the host (it cannot touch them) and a read-only /proc. Where
// user namespaces are refused but the program is root with all capabilities,
// the job does without one. Runner.Isolated says which it is.
//
// # Plain (everywhere else)
//
// On macOS, Windows and kernels without namespaces a job is a process group
// (Windows: a job object) that works in a private copy of the source. Nothing
// else is private: it may do whatever the user may. The paths are then told by
// variables, and scripts that use the fixed paths do not work:
//
//	BRIGADE_SRC    the copy of the source; not set without
//	BRIGADE_SHARE  the build's storage, when enabled
//	BRIGADE_CACHE  the job's cache, when enabled
//	BRIGADE_HOOK   the directory of main.sh
//
// BRIGADE_SRC is set without source as well, to an empty directory, when files
// of the job are to be kept.
//
// A daemon that leaves its process group outlives the job; where the program
// is process 1 of a container it needs an init beside it (docker run --init)
// that waits for such orphans. Volumes cannot be given; a job that has some
// does not start.
//
// # Artifacts
//
// The files that a job's artifacts name are kept as the job sees them at its
// end, below mountPath with all that is mounted there. Of an isolated job that
// had to be killed only those are kept that it has written. Links out of
// mountPath are not followed, nor absolute ones.
//
// # Environment
//
// A job gets PATH, HOME, TERM, LANG and USER, its own variables, and
// BRIGADE_OUTPUT (plus the paths above, when plain). PATH, LANG and USER come
// from Options.Environ; nothing else of the program's environment does.
//
// # Limits
//
// resourceLimits are given to a cgroup (version 2) when one was delegated:
// Options.Cgroup, or the parent of the program's own cgroup when it is
// writable and has the controllers enabled (systemd: Delegate=yes and
// DelegateSubgroup=main). Otherwise on Linux the memory of the job's processes
// (anonymous and shared, several times a second) is watched and the job is
// ended when it goes over; a fast job may get past the limit for a moment. A
// CPU limit without cgroup, and a memory limit elsewhere, is not enforced; the
// message of the running state says so. resourceRequests have no meaning on
// one machine. The sizes of cache and storage are not enforced.
//
// # What cannot be given
//
// A job without tasks does not start (an image's command is not known), nor
// does one whose env refers to a Secret, ConfigMap or pod field, that has a
// volume other than emptyDir and hostPath, or whose host.os is another one.
// privileged, serviceAccount, host.name and host.nodeSelector are left out,
// and the message of the running state says so.
//
// Jobs cannot be found again after the program ended: there is no Attacher.
package process
