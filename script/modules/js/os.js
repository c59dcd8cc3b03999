'use strict';
// os.

const signals = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGILL: 4, SIGTRAP: 5, SIGABRT: 6, SIGIOT: 6, SIGBUS: 7, SIGFPE: 8, SIGKILL: 9,
  SIGUSR1: 10, SIGSEGV: 11, SIGUSR2: 12, SIGPIPE: 13, SIGALRM: 14, SIGTERM: 15, SIGCHLD: 17, SIGSTKFLT: 16, SIGCONT: 18, SIGSTOP: 19,
  SIGTSTP: 20, SIGTTIN: 21, SIGTTOU: 22, SIGURG: 23, SIGXCPU: 24, SIGXFSZ: 25, SIGVTALRM: 26, SIGPROF: 27, SIGWINCH: 28, SIGIO: 29,
  SIGPOLL: 29, SIGPWR: 30, SIGSYS: 31 };
const errno = {};
for (const [name, n] of Object.entries(require('internal/errors').ERRNO)) if (n > -3000) errno[name] = -n;

module.exports = {
  EOL: native.platform === 'win32' ? '\r\n' : '\n',
  devNull: native.platform === 'win32' ? '\\\\.\\nul' : '/dev/null',
  arch: () => native.arch,
  platform: () => native.platform,
  type: () => ({ linux: 'Linux', darwin: 'Darwin', win32: 'Windows_NT' }[native.platform] || native.platform),
  machine: () => ({ x64: 'x86_64', arm64: native.platform === 'darwin' ? 'arm64' : 'aarch64' }[native.arch] || native.arch),
  release: () => native.release(),
  version: () => native.release(),
  hostname: () => native.hostname(),
  endianness: () => 'LE',
  tmpdir: () => native.tmpdir(),
  homedir: () => native.homedir(),
  uptime: () => native.uptime(),
  loadavg: () => [0, 0, 0],
  totalmem: () => native.totalmem(),
  freemem: () => native.freemem(),
  availableParallelism: () => native.cpus,
  cpus: () => Array.from({ length: native.cpus }, () => ({ model: 'unknown', speed: 0, times: { user: 0, nice: 0, sys: 0, idle: 0, irq: 0 } })),
  networkInterfaces: () => ({}),
  userInfo: () => ({ uid: native.uid, gid: native.gid, username: native.username(), homedir: native.homedir(), shell: null }),
  getPriority: () => 0,
  setPriority() {},
  constants: {
    UV_UDP_REUSEADDR: 4, signals, errno, dlopen: { RTLD_LAZY: 1, RTLD_NOW: 2, RTLD_GLOBAL: 256, RTLD_LOCAL: 0, RTLD_DEEPBIND: 8 },
    priority: { PRIORITY_LOW: 19, PRIORITY_BELOW_NORMAL: 10, PRIORITY_NORMAL: 0, PRIORITY_ABOVE_NORMAL: -7, PRIORITY_HIGH: -14, PRIORITY_HIGHEST: -20 },
  },
};
for (const name of ['arch', 'platform', 'type', 'release', 'hostname', 'endianness', 'tmpdir', 'homedir', 'uptime', 'totalmem', 'freemem', 'version', 'machine', 'availableParallelism']) {
  module.exports[name][Symbol.toPrimitive] = () => module.exports[name]();
}
