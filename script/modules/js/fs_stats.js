'use strict';
// The classes of fs: Stats, Dirent, Dir; and the arguments all calls share.

const errors = require('internal/errors');
const path = require('path');

const TYPE = 0o170000;

class Stats {
  constructor(fields) {
    Object.assign(this, {
      dev: 0, mode: fields.mode, nlink: 1, uid: 0, gid: 0, rdev: 0, blksize: 4096, ino: 0, size: fields.size,
      blocks: Math.ceil(fields.size / 512), atimeMs: fields.mtimeMs, mtimeMs: fields.mtimeMs, ctimeMs: fields.mtimeMs, birthtimeMs: fields.mtimeMs,
    });
    for (const name of ['atime', 'mtime', 'ctime', 'birthtime']) this[name] = new Date(fields.mtimeMs);
  }
  #is(type) { return (Number(this.mode) & TYPE) === type; }
  isFile() { return this.#is(0o100000); }
  isDirectory() { return this.#is(0o040000); }
  isSymbolicLink() { return this.#is(0o120000); }
  isFIFO() { return this.#is(0o010000); }
  isSocket() { return this.#is(0o140000); }
  isCharacterDevice() { return this.#is(0o020000); }
  isBlockDevice() { return this.#is(0o060000); }
}

function toStats(fields, options) {
  const stats = new Stats(fields);
  if (!options || !options.bigint) return stats;
  for (const key of Object.keys(stats)) if (typeof stats[key] === 'number') stats[key] = BigInt(Math.trunc(stats[key]));
  for (const name of ['atime', 'mtime', 'ctime', 'birthtime']) stats[`${name}Ns`] = stats[`${name}Ms`] * 1000000n;
  return stats;
}

const kType = Symbol('type');

class Dirent {
  constructor(name, type, parent) {
    this.name = name;
    this.parentPath = parent;
    this.path = parent;
    this[kType] = type;
  }
  isFile() { return this[kType] === 1; }
  isDirectory() { return this[kType] === 2; }
  isSymbolicLink() { return this[kType] === 3; }
  isFIFO() { return this[kType] === 4; }
  isSocket() { return this[kType] === 5; }
  isCharacterDevice() { return this[kType] === 6; }
  isBlockDevice() { return this[kType] === 7; }
}

function toEntries(flat, dir, withTypes, prefix = '') {
  const out = [];
  for (let i = 0; i < flat.length; i += 2) {
    out.push(withTypes ? new Dirent(flat[i], flat[i + 1], dir) : prefix + flat[i]);
  }
  return out;
}

class Dir {
  #entries;
  #closed = false;
  constructor(dir, flat) {
    Object.defineProperty(this, 'path', { value: dir, enumerable: true });
    this.#entries = toEntries(flat, dir, true);
  }
  #check() { if (this.#closed) throw errors.make(Error, 'ERR_DIR_CLOSED', 'Directory handle was closed'); }
  readSync() { this.#check(); return this.#entries.shift() || null; }
  read(callback) {
    if (callback === undefined) return new Promise((resolve) => resolve(this.readSync()));
    const entry = this.readSync();
    require('process').nextTick(callback, null, entry);
    return undefined;
  }
  closeSync() { this.#check(); this.#closed = true; }
  close(callback) {
    if (callback === undefined) return new Promise((resolve) => resolve(this.closeSync()));
    this.closeSync();
    require('process').nextTick(callback, null);
    return undefined;
  }
  entries() {
    const dir = this;
    return {
      async next() {
        const value = dir.#closed ? null : dir.readSync();
        if (value !== null) return { value, done: false };
        if (!dir.#closed) dir.closeSync();
        return { value: undefined, done: true };
      },
      async return() { if (!dir.#closed) dir.closeSync(); return { value: undefined, done: true }; },
      [Symbol.asyncIterator]() { return this; },
    };
  }
  [Symbol.asyncIterator]() { return this.entries(); }
}

// toPath accepts what fs accepts as a path: a string, a Buffer or a file URL.
function toPath(value, name = 'path') {
  if (value !== null && typeof value === 'object' && value.href !== undefined && value.protocol !== undefined) {
    value = require('url').fileURLToPath(value);
  }
  if (value instanceof Uint8Array) value = require('buffer').Buffer.from(value).toString();
  if (typeof value !== 'string') throw errors.invalidArgType(name, ['string', 'Buffer', 'URL'], value);
  if (value.includes('\u0000')) throw errors.invalidArgValue(name, value, 'must be a string, Uint8Array, or URL without null bytes');
  return value;
}

function optionsOf(options, defaults) {
  if (options === undefined || options === null || typeof options === 'function') return { ...defaults };
  if (typeof options === 'string') options = { encoding: options };
  else if (typeof options !== 'object') throw errors.invalidArgType('options', ['string', 'Object'], options);
  const { Buffer } = require('buffer');
  if (options.encoding && options.encoding !== 'buffer' && !Buffer.isEncoding(options.encoding)) {
    throw errors.invalidArgValue('encoding', options.encoding, 'is invalid encoding');
  }
  return { ...defaults, ...options };
}

function encoded(bytes, encoding) {
  const { Buffer } = require('buffer');
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return encoding && encoding !== 'buffer' ? buffer.toString(encoding) : buffer;
}

function text(value, encoding) {
  return encoding === 'buffer' ? require('buffer').Buffer.from(value) : value;
}

// readOnly is the error of everything that would change a file.
function readOnly(syscall, target) {
  const shown = typeof target === 'string' ? ` '${target}'` : '';
  return errors.systemError({
    code: 'EROFS', syscall, path: typeof target === 'string' ? target : undefined,
    message: `EROFS: read-only file system, ${syscall}${shown} (a script cannot write files; write them in a job, for instance into its shared storage)`,
  });
}

module.exports = { Stats, Dirent, Dir, toStats, toEntries, toPath, optionsOf, encoded, text, readOnly, join: path.join };
