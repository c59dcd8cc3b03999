'use strict';
// url: the WHATWG classes, and the older parse, format and resolve.

const errors = require('internal/errors');
const whatwg = require('internal/url');

const NO_SLASHES = new Set(['javascript', 'javascript:']);
const SLASHED = new Set(['http', 'https', 'ftp', 'gopher', 'file', 'ws', 'wss']);
const slashed = (protocol) => SLASHED.has(`${protocol || ''}`.replace(/:$/, ''));

function Url() {
  for (const key of ['protocol', 'slashes', 'auth', 'host', 'port', 'hostname', 'hash', 'search', 'query', 'pathname', 'path', 'href']) this[key] = null;
}

const ESCAPES = {};
for (const c of '\t\n\r "\'<>\\^`{|}') ESCAPES[c] = `%${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;

function escapeRest(text) { return text.replace(/[\t\n\r "'<>\\^`{|}]/g, (c) => ESCAPES[c]); }

function backslashes(text) {
  const at = text.search(/[?#]/);
  return at < 0 ? text.replace(/\\/g, '/') : text.slice(0, at).replace(/\\/g, '/') + text.slice(at);
}

function takeHost(url, rest, input) {
  let end = rest.search(/[\/?#;\t\n\r "'<>\\^`{|}]/);
  const at = rest.slice(0, (() => { const e = rest.search(/[\/?#]/); return e < 0 ? rest.length : e; })()).lastIndexOf('@');
  let from = 0;
  if (at >= 0) {
    url.auth = decodeURIComponent(rest.slice(0, at));
    from = at + 1;
    end = rest.slice(from).search(/[\/?#;\t\n\r "'<>\\^`{|}]/);
    if (end >= 0) end += from;
  }
  if (end < 0) end = rest.length;
  let host = rest.slice(from, end);
  const port = /:([0-9]*)$/.exec(host);
  if (port) {
    if (port[1] !== '') url.port = port[1];
    host = host.slice(0, -port[0].length);
  }
  const six = host[0] === '[' && host[host.length - 1] === ']';
  if (host.length > 255) host = '';
  host = host.toLowerCase();
  let odd = '';
  const bad = six ? -1 : host.search(/[/\\#?:]/);
  if (bad >= 0) { odd = `/${host.slice(bad)}`; host = host.slice(0, bad); }
  if (!six && host !== '') {
    if (/[^\x00-\x7f]/.test(host)) host = native.toASCII(host);
    if (host === '') throw Object.assign(errors.make(TypeError, 'ERR_INVALID_URL', 'Invalid URL'), { input });
    if (/[\0\t\n\r #%/:<>?@[\\\]^|]/.test(host)) throw Object.assign(errors.make(TypeError, 'ERR_INVALID_URL', 'Invalid URL'), { input });
  }
  url.hostname = six ? host.slice(1, -1) : host;
  url.host = host + (url.port ? `:${url.port}` : '');
  rest = odd + rest.slice(end);
  if (six && rest[0] !== '/') rest = `/${rest}`;
  return rest;
}

Url.prototype.parse = function parse(input, parseQuery, slashesDenoteHost) {
  errors.check.string(input, 'url');
  let rest = backslashes(input.trim());
  if (!slashesDenoteHost && !/[#@]/.test(rest)) {
    const simple = /^(\/\/?(?!\/)[^?\s]*)(\?[^\s]*)?$/.exec(rest);
    if (simple) {
      this.path = this.href = escapeRest(rest);
      this.pathname = escapeRest(simple[1]);
      if (simple[2]) {
        this.search = escapeRest(simple[2]);
        this.query = parseQuery ? require('querystring').parse(this.search.slice(1)) : this.search.slice(1);
      } else if (parseQuery) { this.search = null; this.query = Object.create(null); }
      return this;
    }
  }
  const scheme = /^[a-z0-9.+-]+:/i.exec(rest);
  let protocol = '';
  if (scheme) {
    protocol = scheme[0].toLowerCase();
    this.protocol = protocol;
    rest = rest.slice(protocol.length);
  }
  let slashes = false;
  if (slashesDenoteHost || scheme || /^\/\/[^@/]+@[^@/]+/.test(rest)) {
    slashes = rest.startsWith('//');
    if (slashes && !(protocol && NO_SLASHES.has(protocol))) { rest = rest.slice(2); this.slashes = true; }
  }
  if (!NO_SLASHES.has(protocol) && (slashes || (protocol && !slashed(protocol)))) {
    rest = takeHost(this, rest, input);
  }
  if (!NO_SLASHES.has(protocol)) rest = escapeRest(rest);
  const hash = rest.indexOf('#');
  if (hash >= 0) { this.hash = rest.slice(hash); rest = rest.slice(0, hash); }
  const question = rest.indexOf('?');
  if (question >= 0) {
    this.search = rest.slice(question);
    this.query = rest.slice(question + 1);
    if (parseQuery) this.query = require('querystring').parse(this.query);
    rest = rest.slice(0, question);
  } else if (parseQuery) { this.search = null; this.query = Object.create(null); }
  if (rest !== '') this.pathname = rest;
  if (slashed(protocol) && this.hostname && !this.pathname) this.pathname = '/';
  if (this.pathname || this.search) this.path = (this.pathname || '') + (this.search || '');
  this.href = this.format();
  return this;
};

Url.prototype.format = function format() {
  let auth = this.auth || '';
  if (auth) auth = `${encodeURIComponent(auth).replace(/%3A/i, ':')}@`;
  let protocol = this.protocol || '', pathname = this.pathname || '', hash = this.hash || '', host = '', query = '';
  if (this.host) host = auth + this.host;
  else if (this.hostname) {
    host = auth + (this.hostname.includes(':') && !/^\[.*\]$/.test(this.hostname) ? `[${this.hostname}]` : this.hostname);
    if (this.port) host += `:${this.port}`;
  }
  if (this.query !== null && typeof this.query === 'object') query = require('querystring').stringify(this.query);
  let search = this.search || (query && `?${query}`) || '';
  if (protocol && !protocol.endsWith(':')) protocol += ':';
  pathname = pathname.replace(/[?#]/g, (c) => (c === '?' ? '%3F' : '%23'));
  if (this.slashes || slashed(protocol)) {
    if (this.slashes || host) {
      if (pathname && pathname[0] !== '/') pathname = `/${pathname}`;
      host = `//${host}`;
    } else if (protocol === 'file:' || protocol === 'file') host = '//';
  }
  search = search.replace(/#/g, '%23');
  if (hash && hash[0] !== '#') hash = `#${hash}`;
  if (search && search[0] !== '?') search = `?${search}`;
  return protocol + host + pathname + search + hash;
};

Url.prototype.resolve = function resolve(relative) {
  return this.resolveObject(parse(relative, false, true)).format();
};

function copyInto(result, source, keys) { for (const key of keys) result[key] = source[key]; }

function finish(result, path) {
  if (result.pathname !== null || result.search !== null) {
    result.path = (result.pathname || '') + (result.search || '');
  } else if (path) result.path = null;
  result.href = result.format();
  return result;
}

Url.prototype.resolveObject = function resolveObject(relative) {
  if (typeof relative === 'string') relative = parse(relative, false, true);
  const result = new Url();
  Object.assign(result, this);
  result.hash = relative.hash;
  if (relative.href === '') { result.href = result.format(); return result; }
  if (relative.slashes && !relative.protocol) {
    for (const key of Object.keys(relative)) if (key !== 'protocol') result[key] = relative[key];
    if (slashed(result.protocol) && result.hostname && !result.pathname) result.path = result.pathname = '/';
    result.href = result.format();
    return result;
  }
  if (relative.protocol && relative.protocol !== result.protocol) {
    Object.assign(result, relative);
    if (!slashed(relative.protocol)) { result.href = result.format(); return result; }
    return finish(result);
  }
  return mergePaths(this, result, relative);
};

function mergePaths(base, result, relative) {
  const relAbsolute = Boolean(relative.host || (relative.pathname && relative.pathname[0] === '/'));
  const baseAbsolute = Boolean(result.pathname && result.pathname[0] === '/');
  let mustEnd = relAbsolute || baseAbsolute || (result.host && relative.pathname);
  const removeAll = mustEnd;
  let source = (result.pathname && result.pathname.split('/')) || [];
  const relPath = (relative.pathname && relative.pathname.split('/')) || [];
  const bare = result.protocol && !slashed(result.protocol); // what follows is all one, as in mailto:a@b
  if (bare) {
    result.hostname = '';
    if (result.host) {
      if (source[0] === '') source[0] = result.host;
      else source.unshift(result.host);
    }
    result.host = '';
    mustEnd = mustEnd && (relPath[0] === '' || source[0] === '');
  }
  if (relAbsolute) {
    if (relative.host || relative.host === '') {
      if (result.host !== relative.host) result.auth = null;
      result.host = relative.host;
      result.port = relative.port;
    }
    if (relative.hostname || relative.hostname === '') {
      if (result.hostname !== relative.hostname) result.auth = null;
      result.hostname = relative.hostname;
    }
    copyInto(result, relative, ['search', 'query']);
    source = relPath;
  } else if (relPath.length > 0) {
    source.pop();
    source = source.concat(relPath);
    copyInto(result, relative, ['search', 'query']);
  } else if (relative.search !== null && relative.search !== undefined) {
    copyInto(result, relative, ['search', 'query']);
    return finish(result);
  }
  if (source.length === 0) {
    result.pathname = null;
    result.path = result.search ? `/${result.search}` : null;
    result.href = result.format();
    return result;
  }
  const last = source[source.length - 1];
  const trailing = ((result.host || relative.host || source.length > 1) && (last === '.' || last === '..')) || last === '';
  let up = 0;
  for (let i = source.length - 1; i >= 0; i--) {
    if (source[i] === '.') source.splice(i, 1);
    else if (source[i] === '..') { source.splice(i, 1); up++; }
    else if (up > 0) { source.splice(i, 1); up--; }
  }
  if (!mustEnd && !removeAll) while (up-- > 0) source.unshift('..');
  if (mustEnd && source[0] !== '' && (!source[0] || source[0][0] !== '/')) source.unshift('');
  if (trailing && source.join('/').slice(-1) !== '/') source.push('');
  const absolute = source[0] === '' || (source[0] && source[0][0] === '/');
  if (bare) {
    result.hostname = result.host = absolute ? '' : source.length > 0 ? source.shift() : '';
    const at = result.host.indexOf('@');
    if (at > 0) {
      result.auth = result.host.slice(0, at);
      result.host = result.hostname = result.host.slice(at + 1);
    }
  }
  mustEnd = mustEnd || (result.host && source.length > 0);
  if (mustEnd && !absolute) source.unshift('');
  result.pathname = source.length > 0 ? source.join('/') : null;
  if (!source.length) result.path = null;
  result.auth = relative.auth || result.auth;
  result.slashes = result.slashes || relative.slashes;
  return finish(result);
}

function parse(url, parseQuery, slashesDenoteHost) {
  if (url instanceof Url) return url;
  return new Url().parse(url, parseQuery, slashesDenoteHost);
}

function formatURL(url, options) {
  const parts = new whatwg.URL(url.href);
  const { fragment = true, unicode = false, search = true, auth = true } = options || {};
  if (!fragment) parts.hash = '';
  if (!search) parts.search = '';
  if (!auth) { parts.username = ''; parts.password = ''; }
  if (!unicode) return parts.href;
  return parts.href.replace(parts.host, native.toUnicode(parts.hostname) + (parts.port ? `:${parts.port}` : ''));
}

function format(url, options) {
  if (typeof url === 'string') url = parse(url);
  else if (typeof url !== 'object' || url === null) throw errors.invalidArgType('urlObject', ['Object', 'string'], url);
  else if (url instanceof whatwg.URL) return formatURL(url, options);
  return Url.prototype.format.call(url);
}

module.exports = {
  Url, parse, format,
  resolve: (source, relative) => parse(source, false, true).resolve(relative),
  resolveObject: (source, relative) => (source ? parse(source, false, true).resolveObject(relative) : relative),
  ...whatwg,
};
