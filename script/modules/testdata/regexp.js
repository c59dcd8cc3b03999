
const show = (name, f) => { let r; try { r = f(); } catch (e) { r = e.name + ': ' + e.message; } console.log(name, r); };
const text = 'Ärger über 12 Äpfel, naïve café № ٣ Ⅷ αβγ Жук 漢字 かな カナ 😀👍🏽 a_b-c\u00a0\u{10FFFF} x';
// What characters are: property escapes.
for (const p of ['L', 'Lu', 'Ll', 'Uppercase_Letter', 'N', 'Nd', 'No', 'P', 'S', 'Sc', 'Z', 'Zs', 'M', 'gc=Lu', 'Script=Greek', 'sc=Cyrl', 'sc=Han', 'Script=Hiragana', 'Alphabetic', 'White_Space', 'Emoji', 'Emoji_Presentation', 'Emoji_Modifier', 'ASCII', 'Any', 'Assigned', 'ID_Start', 'Uppercase', 'Lowercase', 'Math', 'Hex_Digit', 'Dash', 'Cased', 'Cn'])
  show(p, () => text.match(new RegExp(`\\p{${p}}+`, 'gu'))?.join('|'));
for (const p of ['Lu', 'Nd', 'sc=Cyrl', 'ASCII'])
  show('not ' + p, () => [text.replace(new RegExp(`[^\\p{${p}}]`, 'gu'), '').length, text.search(new RegExp(`\\P{${p}}`, 'u')), new RegExp(`^[\\P{${p}}x]`, 'u').test('x')]);
show('literal', () => [/\p{L}+/u.exec(text)[0], /^[\p{L}\d_-]+$/u.test('héllo-1'), /^[\p{L}\d_-]+$/u.test('héllo 1'), text.match(/[\p{Lu}\p{Nd}]/gu).join(''), /\p{L}/.test('p{L}'), /\p{L}/.test('é'), /(?<=\p{Lu})\p{Ll}+/u.exec(text)[0], /(?<w>\p{L}+) (?<n>\p{N}+)/u.exec('äh 7').groups.n, 'aé1'.split(/(?=\p{N})/u).join()]);
show('shape', () => [/\p{L}/u, /\p{L}/gu.flags, /\p{L}/u.source, /\p{L}/u.unicode, String(new RegExp('\\p{Lu}/', 'giu')), new RegExp(/\p{L}/u, 'g').flags, /\p{L}/u instanceof RegExp, Object.keys(/\p{L}/u), /\p{L}/u.hasIndices]);
show('wrong', () => new RegExp('\\p{Nope}', 'u')); show('wrong2', () => new RegExp('\\p{Script=Nope}', 'u')); show('wrong3', () => new RegExp('\\p{', 'u')); show('wrong4', () => new RegExp('a', 'uv')); show('wrong5', () => new RegExp('a', 'dd'));
// Sets: the flag v.
for (const [source, input] of [['[\\p{L}--[a-z]]', 'abcÄd'], ['[\\p{L}&&\\p{ASCII}]+', 'ÄabcÄ'], ['[[a-z]--[aeiou]]+', 'aeibcd'], ['[\\w--\\d]+', '12ab_34'], ['[^\\d]+', '12ab34'], ['[\\q{abc|d|}x]', 'abcd'], ['[\\q{abc|de}--\\q{de}]', 'deabc'], ['^[[a-f][0-9]]+$', 'c0ffee'], ['[a-z&&[^aeiou]]', 'aeb'], ['[\\--\\-]|x', '-x'], ['[\\u{1F600}-\\u{1F64F}]', 'a😀'], ['[\\S&&\\P{L}]', 'a b1'], ['[\\p{Lu}\\p{Nd}]{2}', 'aB7'], ['a.c', 'a😀c'], ['[^]', 'q'], ['[\\]\\-]', ']']])
  show('v ' + source, () => { const re = new RegExp(source, 'v'), m = re.exec(input); return [m && m[0], m && m.index, re.unicodeSets, re.flags, re.source]; });
show('v literal', () => ['aÄ'.replace(/[\p{L}--[a-z]]/gv, '-'), /[[a-z]&&[b-d]]/v.exec('axc').index, /x/v.flags]);
for (const bad of ['[a--b&&c]', '[a', '[(]', '[^\\q{ab}]', '[z-a]', '[a&&&b]', '\\p{L', '[a||b]']) show('v bad ' + bad, () => { try { new RegExp(bad, 'v'); return 'ok'; } catch (e) { return e.name; } });
// Where groups matched: the flag d.
for (const [source, flags, input] of [['a(b)', 'd', 'xab'], ['(a+)(b)?(c)', 'd', 'zaac'], ['(?<y>\\d{4})-(?<m>\\d\\d)', 'd', 'on 2020-11'], ['(.)\\1', 'd', 'abccd'], ['(?<q>[\'"]).*?\\k<q>', 'd', 'say "hi" it'], ['(?<=(\\$)(\\d))(\\d+)', 'd', 'cost $123'], ['(\\p{L}+) (😀)', 'du', 'x äö 😀'], ['(a)(?=(b))', 'd', 'aab'], ['x(?:y(z))?', 'd', 'xy'], ['[(](\\))', 'd', 'f()'], ['([\\w--\\d])(\\d)', 'dv', '1a2'], ['()', 'd', 'a']])
  show('d ' + source, () => { const m = new RegExp(source, flags).exec(input); return [m, m.indices, m.indices.groups]; });
show('d literal', () => { const re = /(?<w>\w)(\d)/dg; const out = []; let m; while ((m = re.exec('a1 b2'))) out.push(m.indices.groups.w, re.lastIndex); return [out, [...'a1 b2'.matchAll(re)].map((x) => x.indices[2]), 'a1 b2'.replace(re, '$2$1'), 'a1 b2'.match(re), re.flags, re.hasIndices, re]; });
show('plain', () => [/a/.hasIndices, /a/.unicodeSets, RegExp('a', 'g').flags, RegExp(/b/) instanceof RegExp, new RegExp(/b/g).flags, RegExp.name, RegExp.length, RegExp.prototype.constructor === RegExp, RegExp[Symbol.species] === RegExp, new RegExp().source, new (class R extends RegExp {})('q') instanceof RegExp, (() => { const r = /x/; return RegExp(r) === r; })()]);
// What the last match left.
/(\d+)-(\w)(q)?/.exec('on 12-x!'); show('last', () => [RegExp.$1, RegExp.$2, RegExp.$3, RegExp.lastMatch, RegExp['$&'], RegExp.leftContext, RegExp.rightContext, RegExp.lastParen, RegExp.input]);
'k=v'.replace(/(\w)=(\w)/, () => { show('in replace', () => RegExp.$1 + RegExp.$2); return ''; }); if (/^(.)b/.test('ab')) show('test', () => RegExp.$1);
show('escapes', () => ['\u{10FFFF}'.length, `\u{10ffff}x`.length, '\u{000041}', /\u{10FFFF}/u.test('\u{10FFFF}'), /[\u{10000}-\u{10FFFF}]/u.test('😀'), '\u{1F600}' === '😀']);
show('names', () => [/(?<w>b)/u.exec('äbc'), 'äbc'.replace(/(?<w>b)/u, '[$<w>]'), 'äbc'.replace(/(?<w>b)/gu, (...a) => a.pop().w), [...'äbäb'.matchAll(/(?<w>b)/gu)].map((m) => m.groups.w + m.index), /(?<y>\d)|(?<z>b)/u.exec('äb').groups]);
console.log('äbc'.match(/(?<q>b)(d)?/), 'x1'.match(/\d/));
