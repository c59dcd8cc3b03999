'use strict';
// querystring.

function unescape(text) {
  try { return decodeURIComponent(text); } catch { return native.percentDecode(text); }
}

function escape(value) {
  if (typeof value !== 'string') value = typeof value === 'object' ? String(value) : `${value}`;
  try {
    return encodeURIComponent(value);
  } catch {
    throw require('internal/errors').make(URIError, 'ERR_INVALID_URI', 'URI malformed');
  }
}

function primitive(value) {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' && Number.isFinite(value)) return `${value}`;
  if (typeof value === 'bigint' || typeof value === 'boolean') return `${value}`;
  return '';
}

function stringify(object, sep, eq, options) {
  sep = sep || '&';
  eq = eq || '=';
  const encode = options && typeof options.encodeURIComponent === 'function' ? options.encodeURIComponent : querystring.escape;
  if (object === null || typeof object !== 'object') return '';
  const parts = [];
  for (const key of Object.keys(object)) {
    const name = `${encode(primitive(key))}${eq}`;
    const value = object[key];
    if (Array.isArray(value)) for (const item of value) parts.push(name + encode(primitive(item)));
    else parts.push(name + encode(primitive(value)));
  }
  return parts.join(sep);
}

function parse(text, sep, eq, options) {
  const out = Object.create(null);
  if (typeof text !== 'string' || text.length === 0) return out;
  sep = sep ? `${sep}` : '&';
  eq = eq ? `${eq}` : '=';
  const decode = options && typeof options.decodeURIComponent === 'function' ? options.decodeURIComponent : querystring.unescape;
  const safe = (part) => {
    part = part.replace(/\+/g, decode === querystring.unescape ? ' ' : '%20');
    if (decode === unescape && !part.includes('%')) return part;
    try { return decode(part); } catch { return unescape(part); }
  };
  let max = options && typeof options.maxKeys === 'number' ? options.maxKeys : 1000;
  if (max <= 0) max = Infinity;
  let count = 0;
  for (const part of text.split(sep)) {
    if (part === '') continue;
    if (count++ >= max) break;
    const at = part.indexOf(eq);
    const key = safe(at < 0 ? part : part.slice(0, at)), value = at < 0 ? '' : safe(part.slice(at + eq.length));
    if (out[key] === undefined) out[key] = value;
    else if (Array.isArray(out[key])) out[key].push(value);
    else out[key] = [out[key], value];
  }
  return out;
}

const querystring = module.exports = {
  unescapeBuffer: (text) => require('buffer').Buffer.from(native.percentDecode(`${text}`)),
  unescape, escape, stringify, encode: stringify, parse, decode: parse,
};
