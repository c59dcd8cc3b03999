const util = require('util');
const { inspect } = util;
class Foo { constructor() { this.x = 1; } }
class Bar extends Foo { constructor() { super(); this.y = 'two'; } get z() { return 3; } static s = 1; }
class Tagged { get [Symbol.toStringTag]() { return 'MyTag'; } }
class ArrSub extends Array {}
class MapSub extends Map {}
class SetSub extends Set {}
class ErrSub extends TypeError { constructor(m) { super(m); this.name = 'ErrSub'; this.extra = 1; } }
class PromSub extends Promise {}
const noStack = (e) => { e.stack = `${e.name}: ${e.message}\n    at f (file.js:1:2)`; return e; };
const circ = { name: 'c' }; circ.self = circ; circ.deep = { circ, list: [circ] };
const twoCirc = { a: {}, b: {} }; twoCirc.a.b = twoCirc.b; twoCirc.b.a = twoCirc.a;
const nulled = Object.create(null); nulled.a = 1;
const sparse = [1, , 3, , , 6]; 
const arrProps = [1, 2]; arrProps.foo = 'bar'; arrProps[-1] = 'neg';
const fnProps = function named() {}; fnProps.a = 1;
const sym = Symbol('desc');
const withSym = { [sym]: 1, [Symbol('')]: 2, a: 3 };
const hiddenSym = {}; Object.defineProperty(hiddenSym, Symbol('h'), { value: 1, enumerable: false });
const getters = { get a() { return 1; }, set b(v) {}, get c() { return { x: 1 }; }, set c(v) {}, get t() { throw new Error('oops'); } };
const custom = { [inspect.custom](depth, opts) { return `custom depth=${depth} keys=${Object.keys(opts).sort().join()}`; } };
const customObj = { [inspect.custom]() { return { replaced: true, nested: { a: { b: { c: 1 } } } }; } };
const dateProp = new Date(0); dateProp.foo = 1;
const reProp = /x/g; reProp.foo = 'y';
const invalidDate = new Date(NaN);
const longStr = 'lorem ipsum dolor sit amet '.repeat(12);
const errProps = noStack(new Error('with props')); errProps.code = 'E_X'; errProps.details = { a: [1, 2] };
const errCause = noStack(new Error('outer', { cause: noStack(new TypeError('inner')) }));
const errMsgOnly = new Error('nostack'); errMsgOnly.stack = undefined;
const errStackless = new Error('stackless'); errStackless.stack = 'Error: stackless';
const errName = noStack(new Error('renamed')); errName.name = 'Custom';
const agg = noStack(new AggregateError([noStack(new Error('one')), noStack(new RangeError('two'))], 'many'));
const nested = { a: { b: { c: { d: { e: 1 } } } } };
const big = {}; for (let i = 0; i < 30; i++) big['key' + i] = i;
const mixed = { arr: [1, 'a', null, undefined, true], obj: { fn() {}, arrow: () => {}, am: async function () {}, *gen() {}, cls: Foo }, date: new Date(86400000), re: /a\/b/gi, nil: null, und: undefined, nan: NaN, neg: -0, inf: -Infinity, big: 10n, s: Symbol.iterator };
const values = [
  1, -0, 0, 1.5, NaN, Infinity, 1e21, 1e-7, 123456789, 'str', "it's", 'say "hi"', `it's "both"`, 'all \' " `', 'new\nline', 'tab\t\x00\x1b\x7f', '\u{1F600}', '\ud800 lone', 'back\\slash', '', true, false, null, undefined, 10n, -5n, Symbol('a'), Symbol(), Symbol.iterator,
  [], {}, [1, 2, 3], ['a', 'b'], [[]], [[[[[1]]]]], [undefined, null], [,], sparse, arrProps, new Array(5), new Array(200).fill(7), Array.from({ length: 27 }, (_, i) => i), Array.from({ length: 120 }, (_, i) => 'item' + i), Array.from({ length: 7 }, (_, i) => 'x'.repeat(i + 1)), Array.from({ length: 10 }, (_, i) => ({ i })), [1.5, 2.25, 100, -3, 4, 5, 6, 7], [1n, 2n, 3n, 4n, 5n, 6n, 7n], ['a', 1, 'b', 2, 'c', 3, 'd', 4], Array.from({ length: 101 }, (_, i) => i), ['lorem ipsum dolor', 'sit amet consectetur', 'adipiscing elit sed do', 'eiusmod tempor', 'incididunt ut', 'labore et', 'dolore'],
  { a: 1 }, { a: 1, b: 'two', c: [3] }, { 'needs-quote': 1, 2: 3, valid_id: 4, $dollar: 5, 'it\'s': 6, '': 7 }, nested, { a: { b: { c: {} } } }, { a: { b: { c: [] } } }, { a: { b: { c: [1] } } }, { a: { b: { c: new Map() } } }, { a: { b: { c: new Map([[1, 2]]) } } }, { a: { b: { c: new Foo() } } }, { a: { b: { c: Foo } } }, { a: { b: { c: new Date(0), d: /x/, e: new Error } } }.a.b.d, big, mixed, nulled, Object.create({}), Object.create(Foo.prototype), Object.create(null), Object.create(nulled), { __proto__: { inherited: 1 }, own: 2 }, { ['__proto__']: 1 },
  new Foo(), new Bar(), Foo, Bar, class {}, class extends Foo {}, class Nul extends null {}, new (class {})(), new Tagged(), Object.assign(new Tagged(), { a: 1 }), Tagged,
  function () {}, function named() {}, () => {}, fnProps, async () => {}, async function an() {}, function* gn() {}, Math.max, class A { static x = 1 }, Object.assign(() => {}, { b: { c: 1 } }), Object.setPrototypeOf(function nop() {}, null),
  new Map(), new Map([['a', 1], [{ k: 1 }, [1, 2]]]), new Map([[new Map([[1, 2]]), new Set([3])]]), new Set(), new Set([1, 'a', [2], { b: 3 }]), new MapSub([[1, 2]]), new SetSub([1]), new ArrSub(1, 2, 3), new ArrSub(), new Map(Array.from({ length: 110 }, (_, i) => [i, i * i])), new Set(Array.from({ length: 105 }, (_, i) => i)), new WeakMap(), new WeakSet(), Object.assign(new Map([[1, 2]]), { p: 1 }),
  new Date(0), invalidDate, dateProp, /abc/gi, reProp, new RegExp('/'), new Date(8640000000000000),
  new Number(3), new String('abc'), new Boolean(false), Object(Symbol('s')), Object(1n), Object.assign(new String('xy'), { p: 1 }), new Number(-0), Object.assign(new Number(3), { p: 1 }),
  errStackless, noStack(new Error('msg')), noStack(new TypeError('tmsg')), errProps, errCause, agg, errMsgOnly, errName, { e: noStack(new Error('nested')) }, noStack(new ErrSub('sub')), { a: { b: { c: { e: errStackless } } } }, Object.assign(new Error(''), { stack: 'Error' }), [errStackless], noStack(new Error('')), noStack(Object.assign(new Error('multi\nline message'), { k: 1 })),
  circ, twoCirc, [circ], withSym, hiddenSym, getters, custom, { nested: custom }, customObj, [customObj],
  Promise.resolve(1), Promise.reject(new Error('x').message).catch(() => {}) && Promise.resolve({ a: { b: { c: 1 } } }), new Promise(() => {}), new PromSub(() => {}), (() => { const p = Promise.reject(5); p.catch(() => {}); return p; })(),
  new Uint8Array([1, 2, 3]), new Uint8Array(0), new Float64Array([1.5, -0, NaN]), new BigInt64Array([1n, -2n]), new Uint8Array(130), new ArrayBuffer(4), new ArrayBuffer(60), new DataView(new ArrayBuffer(3), 1), Object.assign(new Uint8Array(2), { p: 1 }), Buffer.from('hello'), Buffer.alloc(60), Buffer.alloc(0), { b: Buffer.from('a') }, Object.assign(Buffer.from('a'), { foo: 'bar' }),
  new Proxy({ a: 1 }, {}), new Proxy([1, 2], {}), new Proxy(function f() {}, {}), { p: new Proxy({}, { get() { throw new Error('trap'); }, ownKeys() { throw new Error('trap'); } }) },
  (function () { return arguments; })(1, 2, 'c'), globalThis.Math, JSON, Reflect, longStr, [longStr], { longStr }, { a: 'multi\nline\nstring that is long enough to be split', b: 'x'.repeat(100) }, ['a\nb'], 'line one is long enough\nline two is long enough too\n', { s: 'line one is long enough\nline two is long enough too\n'.repeat(4) },
  { a: 1, b: { c: 2, d: { e: 3 } }, f: [1, 2, { g: 4 }] }, { level1: { level2: { level3: 'x'.repeat(40) } }, other: 'y'.repeat(40) }, [{ a: 1, b: 2 }, { a: 3, b: 4 }], { users: [{ name: 'alice', roles: ['admin', 'dev'] }, { name: 'bob', roles: [] }], total: 2 }, { type: 'push', payload: { commits: [{ id: 'abc', message: 'first', author: { name: 'x', email: 'y@z' } }], repo: { full_name: 'a/b', owner: { login: 'a' } } } },
  [[1, 2, [3, 4, [5, [6]]]], { a: [{ b: { c: {} } }] }], [new Foo(), new Bar(), [new Foo()]], { f: function () {}, g: () => 1, h: class Q {} }, ['\u4e2d\u6587', 'ab', '\u65e5\u672c\u8a9e', 'x', 'yy', 'zzz', '\u{1F600}'], { '\u4e2d': 1, 'a b': 2, 'é': 3 }, [true, false, true, false, true, false, true], [null, null, null, null, null, null, null, null], ['', '', '', '', '', '', '', ''], Array.from({ length: 30 }, (_, i) => i % 2 ? 'odd' + i : i), Array.from({ length: 16 }, (_, i) => 2 ** i), Array.from({ length: 40 }, (_, i) => i * 1000 - 20000), Array.from({ length: 8 }, (_, i) => [i, i]), new Array(3).concat([1]), Object.assign([1, 2, 3, 4, 5, 6, 7], { k: 'v' }),
  new (require('events'))(), new URLSearchParams('a=1&b=2'), new URL('https://user:pw@example.com:8080/p/a?q=1#h'), new TextDecoder().encoding, new AbortController().signal, globalThis === global, process[Symbol.toStringTag], new Event('x').type,
  new (function Legacy() { this.a = 1; })(), Object.defineProperty({}, 'hid', { value: 1 }), Object.freeze({ fr: 1 }), Object.create({ constructor: 'not a function' }), Object.create({}, { x: { value: 1, enumerable: true } }), (() => { const o = { a: 1 }; Object.setPrototypeOf(o, Bar.prototype); return o; })(), Object.setPrototypeOf(new Map([[1, 2]]), null), Object.setPrototypeOf([1, 2], null), Object.setPrototypeOf(new Date(0), null), Object.setPrototypeOf(/x/, null), Object.setPrototypeOf(new Set([1]), null),
];
values.forEach((v, i) => console.log(`#${i}`, typeof v === 'string' ? JSON.stringify(v).slice(0, 20) : '', inspect(v)));
console.log('--- options');
const opt = (v, o) => console.log(JSON.stringify(o, (k, x) => typeof x === 'function' ? 'fn' : x === Infinity ? 'Inf' : x), inspect(v, o));
for (const o of [{ depth: 0 }, { depth: 1 }, { depth: null }, { depth: Infinity }, { compact: false }, { compact: true }, { compact: 1 }, { compact: 0 }, { breakLength: 40 }, { breakLength: Infinity }, { breakLength: 120, compact: 5 }, { sorted: true }, { colors: true }, { showHidden: true }, { getters: true }, { getters: 'get' }, { getters: 'set' }, { maxArrayLength: 2 }, { maxArrayLength: 0 }, { maxArrayLength: null }, { maxStringLength: 5 }, { maxStringLength: 0 }, { numericSeparator: true }, { customInspect: false }, { showProxy: true }, { sorted: (a, b) => a < b ? 1 : -1 }]) {
  opt(mixed, o); opt(nested, o); opt([1, 2, 3, [4, 5]], o); opt(circ, o); opt(new Map([['k', { v: [1, 'long string here'] }]]), o); opt({ b: 1234567.891, a: -1000, c: 123456789n, s: 'some text' }, o);
  opt(o.showProxy ? new Proxy({ a: 1 }, { get: undefined }) : getters, o); opt([longStr, 'ab'], o); opt(Buffer.from('abc'), o); opt(errProps, o); opt(new Set([[1, 2], 'x']), o); opt(new Bar(), o); opt(custom.x || customObj, o); opt(users(), o);
}
function users() { return { users: [{ name: 'alice', roles: ['admin', 'dev'], address: { city: 'X', geo: { lat: 1.5, lng: 2.5 } } }, { name: 'bob', roles: [], address: null }], total: 2, next: undefined }; }
console.log(inspect({ a: { b: 1 } }, true, 0, false), inspect('x', { colors: true }), inspect(Symbol('q'), { colors: true }), inspect(null, { colors: true }), inspect(new Date(0), { colors: true }), inspect(Foo, { colors: true }));
