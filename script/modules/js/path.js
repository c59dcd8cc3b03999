'use strict';
// path for POSIX; path.win32 is a part of its own.

const { check } = require('internal/errors');

// collapse resolves "." and ".." in a path of segments.
function collapse(segments, aboveRoot) {
  const out = [];
  for (const segment of segments) {
    if (segment === '' || segment === '.') continue;
    if (segment !== '..') out.push(segment);
    else if (out.length > 0 && out[out.length - 1] !== '..') out.pop();
    else if (aboveRoot) out.push('..');
  }
  return out;
}

function formatWith(separator, object) {
  check.object(object, 'pathObject');
  const dir = object.dir || object.root;
  const ext = object.ext ? `${object.ext[0] === '.' ? '' : '.'}${object.ext}` : '';
  const base = object.base || `${object.name || ''}${ext}`;
  if (!dir) return base;
  return dir === object.root ? `${dir}${base}` : `${dir}${separator}${base}`;
}

// baseName returns the last segment between isSeparator characters.
function lastSegment(path, isSeparator, from) {
  let end = path.length;
  while (end > from && isSeparator(path[end - 1])) end--;
  let start = end;
  while (start > from && !isSeparator(path[start - 1])) start--;
  return [start, end];
}

function extensionOf(base) {
  const dot = base.lastIndexOf('.');
  return dot <= 0 || base === '..' ? '' : base.slice(dot);
}

function withoutSuffix(base, suffix) {
  return suffix !== undefined && suffix !== base && base.endsWith(suffix) ? base.slice(0, base.length - suffix.length) : base;
}

const slash = (c) => c === '/';

const posix = {
  sep: '/',
  delimiter: ':',
  resolve(...paths) {
    let resolved = '', absolute = false;
    for (let i = paths.length - 1; i >= -1 && !absolute; i--) {
      const path = i >= 0 ? paths[i] : require('process').cwd();
      check.string(path, `paths[${i}]`);
      if (path.length === 0) continue;
      resolved = `${path}/${resolved}`;
      absolute = path[0] === '/';
    }
    const tidy = collapse(resolved.split('/'), !absolute).join('/');
    if (absolute) return `/${tidy}`;
    return tidy.length > 0 ? tidy : '.';
  },
  normalize(path) {
    check.string(path, 'path');
    if (path.length === 0) return '.';
    const absolute = path[0] === '/', trailing = path[path.length - 1] === '/';
    let tidy = collapse(path.split('/'), !absolute).join('/');
    if (tidy.length === 0) {
      if (absolute) return '/';
      return trailing ? './' : '.';
    }
    if (trailing) tidy += '/';
    return absolute ? `/${tidy}` : tidy;
  },
  isAbsolute(path) { check.string(path, 'path'); return path[0] === '/'; },
  join(...paths) {
    const parts = [];
    for (const path of paths) {
      check.string(path, 'path');
      if (path.length > 0) parts.push(path);
    }
    return parts.length === 0 ? '.' : posix.normalize(parts.join('/'));
  },
  relative(from, to) {
    check.string(from, 'from');
    check.string(to, 'to');
    if (from === to) return '';
    from = posix.resolve(from);
    to = posix.resolve(to);
    if (from === to) return '';
    const a = from.split('/').filter(Boolean), b = to.split('/').filter(Boolean);
    let same = 0;
    while (same < a.length && same < b.length && a[same] === b[same]) same++;
    return [...a.slice(same).map(() => '..'), ...b.slice(same)].join('/');
  },
  toNamespacedPath(path) { return path; },
  dirname(path) {
    check.string(path, 'path');
    if (path.length === 0) return '.';
    const [start] = lastSegment(path, slash, 0);
    if (start === 0) return path[0] === '/' ? '/' : '.';
    if (start === 1) return '/';
    return start === 2 && path[0] === '/' ? '//' : path.slice(0, start - 1);
  },
  basename(path, suffix) {
    if (suffix !== undefined) check.string(suffix, 'suffix');
    check.string(path, 'path');
    const [start, end] = lastSegment(path, slash, 0);
    return suffix === path ? '' : withoutSuffix(path.slice(start, end), suffix);
  },
  extname(path) {
    check.string(path, 'path');
    const [start, end] = lastSegment(path, slash, 0);
    return extensionOf(path.slice(start, end));
  },
  format: (object) => formatWith('/', object),
  parse(path) {
    check.string(path, 'path');
    const root = path[0] === '/' ? '/' : '';
    const [start, end] = lastSegment(path, slash, root.length);
    const base = path.slice(start, end);
    const ext = base === '..' && root !== '' && start === 1 ? '.' : extensionOf(base); // as Node reads "/.."
    const dir = start === 0 ? '' : start === root.length ? root : path.slice(0, start - 1);
    return { root, dir, base, ext, name: base.slice(0, base.length - ext.length) };
  },
  matchesGlob: undefined,
  posix: null,
  win32: null,
};
delete posix.matchesGlob;
for (const name of ['format']) Object.defineProperty(posix[name], 'name', { value: name });

function lazyWin32(target) {
  Object.defineProperty(target, 'win32', {
    enumerable: true, configurable: true,
    get() {
      const value = require('path/win32');
      for (const t of [posix, value]) Object.defineProperty(t, 'win32', { value, enumerable: true, writable: true, configurable: true });
      return value;
    },
  });
}
posix.posix = posix;
lazyWin32(posix);
Object.defineProperty(posix, '_makeLong', { value: posix.toNamespacedPath, enumerable: true, writable: true, configurable: true });

module.exports = posix;
Object.defineProperty(posix, Symbol.for('brigade.path'), { value: { collapse, formatWith, lastSegment, extensionOf, withoutSuffix } });
