'use strict';
// fs, for reading.

const errors = require('internal/errors');
const classes = require('internal/fs_stats');
const { toPath, optionsOf, encoded, text, toStats, toEntries, readOnly } = classes;

const constants = Object.freeze(Object.assign(Object.create(null), {
  UV_FS_SYMLINK_DIR: 1, UV_FS_SYMLINK_JUNCTION: 2, O_RDONLY: 0, O_WRONLY: 1, O_RDWR: 2, UV_DIRENT_UNKNOWN: 0, UV_DIRENT_FILE: 1,
  UV_DIRENT_DIR: 2, UV_DIRENT_LINK: 3, UV_DIRENT_FIFO: 4, UV_DIRENT_SOCKET: 5, UV_DIRENT_CHAR: 6, UV_DIRENT_BLOCK: 7,
  S_IFMT: 61440, S_IFREG: 32768, S_IFDIR: 16384, S_IFCHR: 8192, S_IFBLK: 24576, S_IFIFO: 4096, S_IFLNK: 40960, S_IFSOCK: 49152,
  O_CREAT: 64, O_EXCL: 128, UV_FS_O_FILEMAP: 0, O_NOCTTY: 256, O_TRUNC: 512, O_APPEND: 1024, O_DIRECTORY: 65536, O_NOATIME: 262144,
  O_NOFOLLOW: 131072, O_SYNC: 1052672, O_DSYNC: 4096, O_DIRECT: 16384, O_NONBLOCK: 2048, S_IRWXU: 448, S_IRUSR: 256, S_IWUSR: 128,
  S_IXUSR: 64, S_IRWXG: 56, S_IRGRP: 32, S_IWGRP: 16, S_IXGRP: 8, S_IRWXO: 7, S_IROTH: 4, S_IWOTH: 2, S_IXOTH: 1,
  F_OK: 0, R_OK: 4, W_OK: 2, X_OK: 1, UV_FS_COPYFILE_EXCL: 1, COPYFILE_EXCL: 1, UV_FS_COPYFILE_FICLONE: 2, COPYFILE_FICLONE: 2,
  UV_FS_COPYFILE_FICLONE_FORCE: 4, COPYFILE_FICLONE_FORCE: 4,
}));

function unwrap(result) {
  if (result.error) throw errors.systemError(result.error);
  return result.value;
}

function sync(op, path, a = 0, b = 0) { return unwrap(native.call(op, path, a, b)); }

function start(op, path, a, b, callback) {
  native.start(op, path, a, b, (result) => {
    if (result.error) callback(errors.systemError(result.error));
    else callback(null, result.value);
  });
}

function isWriteFlag(flag) {
  if (typeof flag === 'number') return (flag & 3) !== 0 || (flag & constants.O_CREAT) !== 0;
  return flag !== undefined && flag !== null && /[wa+]/.test(flag);
}

// calls describes each reading call once: how its arguments become an
// operation of the Go side, and how its value becomes the result.
const calls = {
  readFile: {
    prepare(path, options) {
      options = optionsOf(options, { flag: 'r' });
      if (isWriteFlag(options.flag)) throw readOnly('open', path);
      if (options.signal && options.signal.aborted) throw new errors.AbortError(undefined, { cause: options.signal.reason });
      return Number.isInteger(path) && path >= 0 ? { op: 'readFd', path, options } : { op: 'readFile', path: toPath(path), options };
    },
    result: (bytes, { options }) => encoded(bytes, options.encoding),
  },
  stat: { prepare: (path, options) => ({ op: 'stat', path: toPath(path), options: optionsOf(options) }), result: (v, { options }) => toStats(v, options) },
  lstat: { prepare: (path, options) => ({ op: 'lstat', path: toPath(path), options: optionsOf(options) }), result: (v, { options }) => toStats(v, options) },
  fstat: { prepare: (fd, options) => { errors.check.integer(fd, 'fd', 0); return { op: 'fstat', path: '', a: fd, options: optionsOf(options) }; }, result: (v, { options }) => toStats(v, options) },
  readdir: {
    prepare: (path, options) => ({ op: 'readdir', path: toPath(path), options: optionsOf(options) }),
    result(flat, { path, options }) {
      const entries = toEntries(flat, path, options.withFileTypes).map((e) => (typeof e === 'string' ? text(e, options.encoding) : e));
      return options.recursive ? recursive(path, flat, options) : entries;
    },
  },
  realpath: { prepare: (path, options) => ({ op: 'realpath', path: toPath(path), options: optionsOf(options) }), result: (v, { options }) => text(v, options.encoding) },
  readlink: { prepare: (path, options) => ({ op: 'readlink', path: toPath(path), options: optionsOf(options) }), result: (v, { options }) => text(v, options.encoding) },
  access: { prepare: (path, mode) => ({ op: 'access', path: toPath(path), a: typeof mode === 'number' ? mode : 0 }), result: () => undefined },
  open: {
    prepare(path, flags) {
      path = toPath(path);
      if (isWriteFlag(flags)) throw readOnly('open', path);
      return { op: 'open', path };
    },
    result: (fd) => fd,
  },
  close: { prepare: (fd) => { errors.check.integer(fd, 'fd', 0); return { op: 'close', path: '', a: fd }; }, result: () => undefined },
  opendir: { prepare: (path) => ({ op: 'readdir', path: toPath(path) }), result: (flat, { path }) => new classes.Dir(path, flat) },
};

function recursive(root, flat, options, prefix = '') {
  const out = [];
  for (let i = 0; i < flat.length; i += 2) {
    const [name, type] = [flat[i], flat[i + 1]];
    out.push(options.withFileTypes ? new classes.Dirent(name, type, root) : prefix + name);
    if (type === 2) out.push(...recursive(classes.join(root, name), sync('readdir', classes.join(root, name)), options, `${prefix}${name}/`));
  }
  return out;
}

function readWhole(fd) {
  const { Buffer } = require('buffer');
  const chunks = [];
  for (;;) {
    const chunk = unwrap(native.read(fd, 65536, -1));
    if (chunk.length === 0) return Buffer.concat(chunks);
    chunks.push(chunk);
  }
}

function runSync(call, args) {
  const prepared = call.prepare(...args);
  if (prepared.op === 'readFd') return call.result(readWhole(prepared.path), prepared);
  return call.result(sync(prepared.op, prepared.path, prepared.a), prepared);
}

function runAsync(call, args, callback) {
  const prepared = call.prepare(...args);
  if (prepared.op === 'readFd') {
    require('process').nextTick(() => settle(callback, () => call.result(readWhole(prepared.path), prepared)));
    return;
  }
  start(prepared.op, prepared.path, prepared.a || 0, 0, (err, value) => {
    if (err) callback(err);
    else settle(callback, () => call.result(value, prepared));
  });
}

function settle(callback, make) {
  let value;
  try { value = make(); } catch (err) { callback(err); return; }
  if (value === undefined) callback(null); else callback(null, value);
}

function runPromise(call, args) {
  return new Promise((resolve, reject) => runAsync(call, args, (err, value) => (err ? reject(err) : resolve(value))));
}

const fs = module.exports = { constants, ...classes.Stats && { Stats: classes.Stats, Dirent: classes.Dirent, Dir: classes.Dir } };
for (const name of ['F_OK', 'R_OK', 'W_OK', 'X_OK']) fs[name] = constants[name];

for (const [name, call] of Object.entries(calls)) {
  fs[name] = { [name](...args) {
    const callback = args.length > 1 ? args.pop() : undefined;
    if (typeof callback !== 'function') throw errors.invalidArgType('cb', 'Function', callback);
    runAsync(call, args, callback);
  } }[name];
  fs[`${name}Sync`] = { [`${name}Sync`](...args) {
    if (name !== 'stat' && name !== 'lstat') return runSync(call, args);
    try {
      return runSync(call, args);
    } catch (err) {
      if (args[1] && args[1].throwIfNoEntry === false && err.code === 'ENOENT') return undefined;
      throw err;
    }
  } }[`${name}Sync`];
}
fs.realpath.native = fs.realpath;
fs.realpathSync.native = fs.realpathSync;

Object.assign(fs, {
  existsSync(path) {
    try { return !native.call('access', toPath(path), 0, 0).error; } catch { return false; }
  },
  exists(path, callback) {
    errors.check.func(callback, 'cb');
    try { path = toPath(path); } catch { require('process').nextTick(callback, false); return; }
    start('access', path, 0, 0, (err) => callback(!err));
  },
  readSync(fd, buffer, offset, length, position) {
    const r = readArgs(buffer, offset, length, position);
    const bytes = unwrap(native.read(fd, r.length, r.position));
    r.target.set(bytes, r.offset);
    return bytes.length;
  },
  read(fd, ...args) {
    const callback = args.pop();
    errors.check.func(callback, 'cb');
    const { Buffer } = require('buffer');
    if (args.length === 0 || !ArrayBuffer.isView(args[0])) args = [(args[0] && args[0].buffer) || Buffer.alloc(16384), args[0] || {}];
    const r = readArgs(...args);
    native.startRead(fd, r.length, r.position, (result) => {
      if (result.error) { callback(errors.systemError(result.error)); return; }
      r.target.set(result.value, r.offset);
      callback(null, result.value.length, args[0]);
    });
  },
  writeSync(fd, data, ...rest) {
    if (fd !== 1 && fd !== 2) throw readOnly('write');
    const { Buffer } = require('buffer');
    const text = typeof data === 'string' ? data : Buffer.from(data.buffer, data.byteOffset + (rest[0] || 0), rest[1] === undefined ? data.byteLength - (rest[0] || 0) : rest[1]).toString();
    native.write(fd, text);
    return Buffer.byteLength(text);
  },
  write(fd, data, ...rest) {
    const callback = rest.pop();
    let n;
    try { n = fs.writeSync(fd, data, ...rest); } catch (err) { require('process').nextTick(callback, err); return; }
    require('process').nextTick(callback, null, n, data);
  },
  createReadStream(path, options) { return new (require('internal/fs_streams').ReadStream)(path, options); },
  createWriteStream(path, options) { return new (require('internal/fs_streams').WriteStream)(path, options); },
  watch() { throw errors.unsupported('fs.watch', 'the files of a build do not change while its script runs'); },
  watchFile() { throw errors.unsupported('fs.watchFile', 'the files of a build do not change while its script runs'); },
  unwatchFile() {},
  fsyncSync() {}, fdatasyncSync() {},
  fsync(fd, callback) { require('process').nextTick(callback, null); },
  openAsBlob(path) { return runPromise(calls.readFile, [path]).then((bytes) => new (require('buffer').Blob)([bytes])); },
  _toUnixTimestamp: (time) => +time / 1000,
});

function readArgs(buffer, offset, length, position) {
  if (!ArrayBuffer.isView(buffer)) throw errors.invalidArgType('buffer', ['Buffer', 'TypedArray', 'DataView'], buffer);
  if (offset !== null && typeof offset === 'object') ({ offset = 0, length, position } = offset);
  offset = offset === undefined ? 0 : offset;
  length = length === undefined || length === null ? buffer.byteLength - offset : length;
  errors.check.integer(offset, 'offset', 0, buffer.byteLength);
  errors.check.integer(length, 'length', 0, buffer.byteLength - offset);
  position = position === null || position === undefined ? -1 : Number(position);
  return { target: new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength), offset, length, position };
}

const WRITES = {
  writeFile: 'open', appendFile: 'open', mkdir: 'mkdir', mkdtemp: 'mkdtemp', rmdir: 'rmdir', rm: 'rm', unlink: 'unlink', rename: 'rename',
  copyFile: 'copyfile', cp: 'cp', symlink: 'symlink', link: 'link', chmod: 'chmod', chown: 'chown', lchown: 'lchown', lchmod: 'lchmod', utimes: 'utime', lutimes: 'lutime',
  truncate: 'open', ftruncate: 'ftruncate', fchmod: 'fchmod', fchown: 'fchown', futimes: 'futime', writev: 'write', fdatasync: 'fdatasync',
};
for (const [name, syscall] of Object.entries(WRITES)) {
  fs[name] = { [name](path, ...args) {
    const callback = args.pop();
    errors.check.func(callback, 'cb');
    require('process').nextTick(callback, readOnly(syscall, path));
  } }[name];
  fs[`${name}Sync`] = { [`${name}Sync`](path, data) {
    if (name === 'mkdirSync' || name === 'mkdir') {
      if (data && data.recursive && fs.existsSync(path)) return undefined;
    }
    if ((name === 'writeFile' || name === 'appendFile') && (path === 1 || path === 2)) { fs.writeSync(path, data); return undefined; }
    if (name === 'rm' && data && data.force && !fs.existsSync(path)) return undefined;
    throw readOnly(syscall, path);
  } }[`${name}Sync`];
}

Object.defineProperty(fs, Symbol.for('brigade.fs'), { value: { calls, runPromise, WRITES, native } });
for (const name of ['ReadStream', 'WriteStream']) {
  Object.defineProperty(fs, name, { enumerable: true, configurable: true, get: () => require('internal/fs_streams')[name] });
}
Object.defineProperty(fs, 'promises', { enumerable: true, configurable: true, get: () => require('fs/promises') });
