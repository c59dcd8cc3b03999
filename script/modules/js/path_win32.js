'use strict';
// path.win32.

const posix = require('path');
const { collapse, formatWith, lastSegment, extensionOf, withoutSuffix } = posix[Symbol.for('brigade.path')];
const { check } = require('internal/errors');

const isSep = (c) => c === '\\' || c === '/';
const split = (text) => text.split(/[\\/]/);

// head splits off what is before the segments: the device ("C:", a UNC share)
// and whether a separator follows it.
function head(path) {
  const unc = /^[\\/]{2}([^\\/]+)[\\/]+([^\\/]+)/.exec(path);
  if (unc) return { device: `\\\\${unc[1]}\\${unc[2]}`, absolute: true, size: unc[0].length, unc: true };
  const drive = /^[A-Za-z]:/.exec(path);
  if (drive) return { device: drive[0], absolute: isSep(path[2]), size: 2, unc: false };
  return { device: '', absolute: isSep(path[0]), size: 0, unc: false };
}

const win32 = {
  sep: '\\',
  delimiter: ';',
  resolve(...paths) {
    let device = '', rest = '', absolute = false;
    for (let i = paths.length - 1; i >= -1; i--) {
      let path;
      if (i >= 0) {
        path = paths[i];
        check.string(path, `paths[${i}]`);
        if (path.length === 0) continue;
      } else if (device.length === 0) path = require('process').cwd();
      else {
        path = require('process').cwd();
        if (path.slice(0, 2).toLowerCase() !== device.toLowerCase() && path[2] === '\\') path = `${device}\\`;
      }
      const h = head(path);
      if (h.device.length > 0) {
        if (device.length > 0) { if (h.device.toLowerCase() !== device.toLowerCase()) continue; }
        else device = h.device;
      }
      if (absolute) {
        if (device.length > 0) break;
      } else {
        rest = `${path.slice(h.size)}\\${rest}`;
        absolute = h.absolute;
        if (absolute && device.length > 0) break;
      }
    }
    const tidy = collapse(split(rest), !absolute).join('\\');
    return absolute ? `${device}\\${tidy}` : `${device}${tidy}` || '.';
  },
  normalize(path) {
    check.string(path, 'path');
    if (path.length === 0) return '.';
    if (path.length === 1) return isSep(path) ? '\\' : path;
    const h = head(path);
    if (h.unc && h.size === path.length) return `${h.device}\\`;
    let tidy = collapse(split(path.slice(h.size)), !h.absolute).join('\\');
    if (tidy.length === 0 && !h.absolute) tidy = '.';
    if (tidy.length > 0 && isSep(path[path.length - 1])) tidy += '\\';
    return h.absolute ? `${h.device}\\${tidy}` : `${h.device}${tidy}`;
  },
  isAbsolute(path) {
    check.string(path, 'path');
    return isSep(path[0] || '') || /^[A-Za-z]:[\\/]/.test(path);
  },
  join(...paths) {
    const parts = [];
    for (const path of paths) {
      check.string(path, 'path');
      if (path.length > 0) parts.push(path);
    }
    if (parts.length === 0) return '.';
    let joined = parts.join('\\');
    const first = parts[0];
    // Only a first part that is a UNC path itself may make the result one.
    if (!/^[\\/]{2}[^\\/]/.test(first)) joined = joined.replace(/^[\\/]{2,}/, '\\');
    return win32.normalize(joined);
  },
  relative(from, to) {
    check.string(from, 'from');
    check.string(to, 'to');
    if (from === to) return '';
    const a = win32.resolve(from), b = win32.resolve(to);
    if (a.toLowerCase() === b.toLowerCase()) return '';
    const x = split(a).filter(Boolean), y = split(b).filter(Boolean);
    let same = 0;
    while (same < x.length && same < y.length && x[same].toLowerCase() === y[same].toLowerCase()) same++;
    if (same === 0) return b;
    return [...x.slice(same).map(() => '..'), ...y.slice(same)].join('\\');
  },
  toNamespacedPath(path) {
    if (typeof path !== 'string' || path.length === 0) return path;
    const resolved = win32.resolve(path);
    if (resolved.length <= 2) return path;
    if (/^\\\\[^?.]/.test(resolved)) return `\\\\?\\UNC\\${resolved.slice(2)}`;
    return /^[A-Za-z]:\\/.test(resolved) ? `\\\\?\\${resolved}` : resolved;
  },
  dirname(path) {
    check.string(path, 'path');
    if (path.length === 0) return '.';
    const h = head(path);
    let root = h.size;
    if (h.absolute && isSep(path[root] || '')) root++;
    if (h.unc && h.size === path.length) return path;
    const [start] = lastSegment(path, isSep, root);
    if (start <= root) return root === 0 ? '.' : path.slice(0, root);
    return path.slice(0, start - 1);
  },
  basename(path, suffix) {
    if (suffix !== undefined) check.string(suffix, 'suffix');
    check.string(path, 'path');
    const from = /^[A-Za-z]:/.test(path) ? 2 : 0;
    const [start, end] = lastSegment(path, isSep, from);
    return suffix === path ? '' : withoutSuffix(path.slice(start, end), suffix);
  },
  extname(path) {
    check.string(path, 'path');
    const [start, end] = lastSegment(path, isSep, /^[A-Za-z]:/.test(path) ? 2 : 0);
    return extensionOf(path.slice(start, end));
  },
  format: (object) => formatWith('\\', object),
  parse(path) {
    check.string(path, 'path');
    const h = head(path);
    let size = h.size;
    if (h.absolute && isSep(path[size] || '')) size++;
    const root = path.slice(0, size);
    const [start, end] = lastSegment(path, isSep, size);
    const base = path.slice(start, end), ext = extensionOf(base);
    const dir = start <= size ? root : path.slice(0, start - 1);
    return { root, dir, base, ext, name: base.slice(0, base.length - ext.length) };
  },
  posix,
  win32: null,
};
win32.win32 = win32;
win32._makeLong = win32.toNamespacedPath;

module.exports = win32;
