'use strict';
// net: addresses can be checked; sockets cannot be opened.

const out = module.exports = require('internal/stub').make('net', 'use http, https or fetch, or run it as a job', [
  'connect', 'createConnection', 'createServer', 'Server', 'BlockList', 'SocketAddress']);

const isIPv4 = (text) => native.family(`${text}`) === 4;
const isIPv6 = (text) => native.family(`${text}`) === 6;

// Socket can be subclassed and looked at; connecting throws.
function Socket(options) {
  if (!(this instanceof Socket)) return new Socket(options);
  require('stream').Duplex.call(this, options);
}
let ready = false;
Object.defineProperty(out, 'Socket', {
  enumerable: true, configurable: true,
  get() {
    if (!ready) {
      ready = true;
      const { Duplex } = require('stream');
      Object.setPrototypeOf(Socket.prototype, Duplex.prototype);
      Object.setPrototypeOf(Socket, Duplex);
      Socket.prototype.connect = out.connect;
      for (const name of ['setTimeout', 'setNoDelay', 'setKeepAlive', 'ref', 'unref']) Socket.prototype[name] = function() { return this; };
    }
    return Socket;
  },
  set(value) { Object.defineProperty(out, 'Socket', { value, writable: true, enumerable: true, configurable: true }); },
});
Object.defineProperty(out, 'Stream', { enumerable: true, configurable: true, get() { return out.Socket; } });

Object.assign(out, {
  isIP: (text) => native.family(`${text}`), isIPv4, isIPv6,
  getDefaultAutoSelectFamily: () => true, setDefaultAutoSelectFamily() {},
  getDefaultAutoSelectFamilyAttemptTimeout: () => 250, setDefaultAutoSelectFamilyAttemptTimeout() {},
});
