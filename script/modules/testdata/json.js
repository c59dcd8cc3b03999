// What is wrong with a JSON text, which is what most scripts parse first.
const texts = ['', ' ', '{', '}', '[', ']', '{"a":}', '{"a":1,}', '{a:1}', "{'a':1}", '{"a"', '{"a":', '{"a":1', '{"a" 1}', '{"a":1 "b":2}', '[1', '[1,', '[1,]', '[1 2]', '[,]', '<html>', '<!DOCTYPE html><html><body>not found</body></html>', 'undefined', 'NaN', 'Infinity', '[object Object]', 'nul', 'nulx', 'true false', 'tru e', 'TRUE', '01', '-', '-a', '1.', '1.x', '1e', '1e+', '1 2', '.5', '+1', '0x10', '"abc', '"a\nb"', '"\\x"', '"\\u12"', '"\\', '"a\\', '\t\n{"a": [1, 2, {"b": tru}]}', '{"key": "value", "other": oops, "more": "and more text"}', '{"key": "value", "other": [1,2,3], "end": x', 'äöü😀', '"ä😀" x', '[1,"two" 3]', '{"a":1}}', '{"a":1}x', '{"a":"b"c}', "['a']", '[1,2', '{"a":[}', '// comment\n{}', '{"a":1,//\n"b":2}', '\u{feff}{}', '{"a":1,"a"}', '{"a":1,"b" 2}', '{"a":1,"b"',  '"\u0001"', '[-]', '[1e]', '["a"-1]', '[0 -1]', 'a'.repeat(30), '{"x":' + ' '.repeat(40) + '?}'];
for (const text of texts) {
  try { console.log(JSON.stringify(text), 'is', JSON.parse(text)); } catch (e) { console.log(JSON.stringify(text), e.name, e.message, e instanceof SyntaxError); }
}
for (const value of [undefined, null, 5, {}, [1], ['a'], () => 1, true, Buffer.from('{"a":1}')]) {
  try { console.log(JSON.parse(value)); } catch (e) { console.log(e.message); }
}
try { JSON.parse('[1]', () => { throw new SyntaxError('from the reviver'); }); } catch (e) { console.log(e.message); }
console.log(JSON.parse('{"a":[1,{"b":2}]}', (k, v) => (typeof v === 'number' ? v + 1 : v)), JSON.parse(' 1 '), JSON.parse('"\\ud800"').length, JSON.parse.name, JSON.parse.length);
