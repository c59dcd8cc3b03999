'use strict';
// fs/promises.

const fs = require('fs');
const errors = require('internal/errors');
const { readOnly } = require('internal/fs_stats');
const { calls, runPromise, WRITES } = fs[Symbol.for('brigade.fs')];
const EventEmitter = require('events');

class FileHandle extends EventEmitter {
  #fd;
  constructor(fd) { super(); this.#fd = fd; }
  get fd() { return this.#fd; }
  readFile(options) { return runPromise(calls.readFile, [this.#fd, options]); }
  stat(options) { return runPromise(calls.fstat, [this.#fd, options]); }
  read(...args) {
    return new Promise((resolve, reject) => fs.read(this.#fd, ...args, (err, bytesRead, buffer) => (err ? reject(err) : resolve({ bytesRead, buffer }))));
  }
  async close() {
    if (this.#fd === -1) return;
    const fd = this.#fd;
    this.#fd = -1;
    await runPromise(calls.close, [fd]);
    this.emit('close');
  }
  createReadStream(options) { return fs.createReadStream(null, { ...options, fd: this.#fd }); }
  readLines(options) { return require('readline').createInterface({ input: this.createReadStream(options), crlfDelay: Infinity }); }
  async sync() {}
  async datasync() {}
  writeFile() { return Promise.reject(readOnly('write')); }
  write() { return Promise.reject(readOnly('write')); }
  appendFile() { return Promise.reject(readOnly('write')); }
  truncate() { return Promise.reject(readOnly('ftruncate')); }
  chmod() { return Promise.reject(readOnly('fchmod')); }
}
FileHandle.prototype[Symbol.asyncDispose || Symbol.for('nodejs.asyncDispose')] = FileHandle.prototype.close;

const promises = module.exports = { constants: fs.constants, FileHandle };
for (const name of ['readFile', 'stat', 'lstat', 'readdir', 'realpath', 'readlink', 'access', 'opendir']) {
  promises[name] = { [name](...args) {
    if (name === 'readFile' && args[0] instanceof FileHandle) args[0] = args[0].fd;
    return runPromise(calls[name], args);
  } }[name];
}
promises.open = async function open(path, flags, mode) {
  return new FileHandle(await runPromise(calls.open, [path, flags, mode]));
};
for (const [name, syscall] of Object.entries(WRITES)) {
  if (/^f|writev/.test(name)) continue;
  promises[name] = { async [name](path, data) {
    if (name === 'mkdir' && data && data.recursive && fs.existsSync(path)) return undefined;
    if (name === 'rm' && data && data.force && !fs.existsSync(path)) return undefined;
    throw readOnly(syscall, path);
  } }[name];
}
promises.statfs = async () => { throw errors.unsupported('fs.statfs', 'ask in a job'); };
promises.watch = () => { throw errors.unsupported('fs.watch', 'the files of a build do not change while its script runs'); };
