process.cwd = () => '/home/me/dir'; // so that the output is the same everywhere
const path = require('path');
const ins = ['', '/', '.', '..', 'a', 'a/', '/a', '/a/b', '/a/b/', 'a//b', 'a/../b', '../a', '../../a', '/../a', './a', 'a/.', 'a/..', '/a/b/../c/./d', 'a.txt', '.bashrc', 'a.b.c', 'a.', '/a/.b', 'a/b.c/', '//a', '///a//b', '/a/b.tar.gz', 'C:\\a\\b', 'C:/a', '\\\\srv\\share\\x', '..a', 'a..', '/..', 'c:', 'c:a', 'C:\\', '\\', 'a\\b', 'file:stream', '//', './', '../', '/.', 'foo/bar\\baz', '\\\\srv\\share\\', '\\\\srv\\share', 'C:..\\a', 'a/b/c/../../d', '...'];
for (const p of [path.posix, path.win32]) {
  for (const s of ins) {
    console.log(JSON.stringify(s), p.normalize(s), '|', p.dirname(s), '|', p.basename(s), '|', p.extname(s), '|', p.isAbsolute(s), '|', JSON.stringify(p.parse(s)), '|', p.format(p.parse(s)), '|', p.basename(s, '.txt'), p.basename(s, s), '|', p.toNamespacedPath(s));
  }
  for (const [a, b] of [['/a/b', '/a/c'], ['/a', '/a'], ['/a/b/c', '/a'], ['/', '/a'], ['/a', '/'], ['/foo/bar', '/foo/barbaz'], ['C:\\a\\b', 'C:\\a\\c'], ['C:\\a', 'D:\\b'], ['/a/b/', '/a/b/c'], ['C:\\A', 'c:\\a\\x']]) console.log(a, b, p === path.posix || /^C/.test(a) ? p.relative(a, b) : '');
  for (const l of [[], ['a'], ['a', 'b'], ['/a', '../b'], ['', ''], ['a', '', 'c'], ['/', 'x'], ['//a', 'b'], ['a/', '/b'], ['..', '..', 'x'], ['C:\\a', '..\\b'], ['\\\\srv', 'share'], ['c:', 'a'], ['', '\\\\x', 'y']]) console.log(l, p.join(...l), p === path.posix ? p.resolve('/base', ...l) : p.resolve('C:\\base', ...l));
  for (const o of [{}, { dir: '/a', base: 'b' }, { root: '/', name: 'f', ext: '.t' }, { dir: 'd', name: 'n', ext: 'e' }, { root: '/', dir: '/', base: 'x' }]) console.log(p.format(o));
}
for (const f of ['normalize', 'join', 'dirname', 'basename', 'extname', 'parse', 'isAbsolute', 'resolve', 'relative', 'format']) for (const v of [1, null, undefined, {}]) { if (f === 'format' && v && typeof v === 'object') continue; if ((f === 'join' || f === 'resolve') && v === undefined && 0) continue; try { path[f](v); console.log(f, 'ok'); } catch (e) { console.log(f, e.name, e.code, e.message); } }
console.log(path.sep, path.delimiter, path.posix === path, require('path/posix') === path.posix, require('path/win32') === path.win32, path.win32.sep, path.win32.delimiter);
