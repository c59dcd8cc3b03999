'use strict';
// dns: lookup and the usual resolve calls.

const errors = require('internal/errors');
const { check } = errors;

const constants = { ADDRCONFIG: 32, V4MAPPED: 8, ALL: 16 };
const codes = { NODATA: 'ENODATA', FORMERR: 'EFORMERR', SERVFAIL: 'ESERVFAIL', NOTFOUND: 'ENOTFOUND', NOTIMP: 'ENOTIMP', REFUSED: 'EREFUSED', TIMEOUT: 'ETIMEOUT', CONNREFUSED: 'ECONNREFUSED' };

function failure(code, syscall, hostname) {
  return errors.systemError({ code, syscall, hostname, message: `${syscall} ${code} ${hostname}` });
}

function lookup(hostname, options, callback) {
  if (typeof options === 'function') { callback = options; options = {}; }
  check.func(callback, 'callback');
  if (typeof options === 'number') options = { family: options };
  options = options || {};
  const family = { IPv4: 4, IPv6: 6 }[options.family] || options.family || 0;
  native.lookup(`${hostname}`, family, (code, list) => {
    if (code !== '') { callback(failure(code, 'getaddrinfo', hostname)); return; }
    const all = list.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
    if (options.all) callback(null, all); else callback(null, all[0].address, all[0].family);
  });
}

function resolver(type, syscall) {
  return (hostname, options, callback) => {
    if (typeof options === 'function') callback = options;
    check.func(callback, 'callback');
    native.resolve(type, `${hostname}`, (code, list) => (code !== '' ? callback(failure(code, syscall, hostname)) : callback(null, list)));
  };
}

const dns = {
  lookup,
  resolve4: resolver('A', 'queryA'), resolve6: resolver('AAAA', 'queryAaaa'), resolveTxt: resolver('TXT', 'queryTxt'),
  resolveMx: resolver('MX', 'queryMx'), resolveCname: resolver('CNAME', 'queryCname'), resolveNs: resolver('NS', 'queryNs'),
  resolveSrv: resolver('SRV', 'querySrv'), reverse: resolver('PTR', 'getHostByAddr'),
  resolve(hostname, type, callback) {
    if (typeof type === 'function') { callback = type; type = 'A'; }
    const name = { A: 'resolve4', AAAA: 'resolve6', TXT: 'resolveTxt', MX: 'resolveMx', CNAME: 'resolveCname', NS: 'resolveNs', SRV: 'resolveSrv', PTR: 'reverse' }[type];
    if (name === undefined) throw errors.invalidArgValue('rrtype', type);
    dns[name](hostname, callback);
  },
};

const promises = {};
for (const [name, fn] of Object.entries(dns)) {
  promises[name] = (...args) => new Promise((resolve, reject) => fn(...args, (err, value, family) => {
    if (err) reject(err);
    else resolve(name === 'lookup' && typeof value === 'string' ? { address: value, family } : value);
  }));
}
Object.defineProperty(lookup, Symbol.for('nodejs.util.promisify.custom'), { value: promises.lookup });

module.exports = {
  ...dns, ...constants, ...codes, promises,
  getServers: () => [], setServers() {}, getDefaultResultOrder: () => 'verbatim', setDefaultResultOrder() {},
  Resolver: class Resolver { constructor() { Object.assign(this, dns); } getServers() { return []; } setServers() {} cancel() {} },
};
