'use strict';
// punycode (RFC 3492).

const BASE = 36, T_MIN = 1, T_MAX = 26, SKEW = 38, DAMP = 700;
const MAX = 2147483647;

function fail(what) {
  throw new RangeError({
    overflow: 'Overflow: input needs wider integers to process',
    basic: 'Illegal input >= 0x80 (not a basic code point)',
    invalid: 'Invalid input',
  }[what]);
}

function adapt(delta, points, first) {
  delta = first ? Math.floor(delta / DAMP) : delta >> 1;
  delta += Math.floor(delta / points);
  let k = 0;
  for (; delta > ((BASE - T_MIN) * T_MAX) >> 1; k += BASE) delta = Math.floor(delta / (BASE - T_MIN));
  return Math.floor(k + ((BASE - T_MIN + 1) * delta) / (delta + SKEW));
}

const threshold = (k, bias) => (k <= bias ? T_MIN : k >= bias + T_MAX ? T_MAX : k - bias);

function digitOf(code) {
  if (code >= 48 && code < 58) return code - 22;
  if (code >= 65 && code < 91) return code - 65;
  if (code >= 97 && code < 123) return code - 97;
  return BASE;
}

const charOf = (digit) => String.fromCharCode(digit < 26 ? digit + 97 : digit + 22);

function decode(input) {
  const output = [];
  let n = 128, i = 0, bias = 72;
  const basic = Math.max(0, input.lastIndexOf('-'));
  for (let j = 0; j < basic; j++) {
    if (input.charCodeAt(j) >= 0x80) fail('basic');
    output.push(input.charCodeAt(j));
  }
  for (let at = basic > 0 ? basic + 1 : 0; at < input.length;) {
    const before = i;
    for (let w = 1, k = BASE; ; k += BASE) {
      if (at >= input.length) fail('invalid');
      const digit = digitOf(input.charCodeAt(at++));
      if (digit >= BASE) fail('invalid');
      if (digit > Math.floor((MAX - i) / w)) fail('overflow');
      i += digit * w;
      const t = threshold(k, bias);
      if (digit < t) break;
      if (w > Math.floor(MAX / (BASE - t))) fail('overflow');
      w *= BASE - t;
    }
    const size = output.length + 1;
    bias = adapt(i - before, size, before === 0);
    if (Math.floor(i / size) > MAX - n) fail('overflow');
    n += Math.floor(i / size);
    i %= size;
    output.splice(i++, 0, n);
  }
  return String.fromCodePoint(...output);
}

function encode(input) {
  const points = ucs2.decode(input);
  let n = 128, delta = 0, bias = 72;
  let output = points.filter((c) => c < 0x80).map((c) => String.fromCharCode(c)).join('');
  const basic = output.length;
  let handled = basic;
  if (basic > 0) output += '-';
  while (handled < points.length) {
    const next = Math.min(...points.filter((c) => c >= n));
    if (next - n > Math.floor((MAX - delta) / (handled + 1))) fail('overflow');
    delta += (next - n) * (handled + 1);
    n = next;
    for (const c of points) {
      if (c < n && ++delta > MAX) fail('overflow');
      if (c !== n) continue;
      let q = delta;
      for (let k = BASE; ; k += BASE) {
        const t = threshold(k, bias);
        if (q < t) break;
        output += charOf(t + ((q - t) % (BASE - t)));
        q = Math.floor((q - t) / (BASE - t));
      }
      output += charOf(q);
      bias = adapt(delta, handled + 1, handled === basic);
      delta = 0;
      handled++;
    }
    delta++;
    n++;
  }
  return output;
}

function mapDomain(domain, fn) {
  const at = domain.lastIndexOf('@');
  const head = at >= 0 ? domain.slice(0, at + 1) : '';
  return head + domain.slice(at + 1).replace(/[\u3002\uFF0E\uFF61]/g, '.').split('.').map(fn).join('.');
}

const ucs2 = {
  decode: (text) => Array.from(text, (c) => c.codePointAt(0)),
  encode: (points) => String.fromCodePoint(...points),
};

module.exports = {
  version: '2.1.0', ucs2, decode, encode,
  toASCII: (input) => mapDomain(input, (label) => (/[^\0-\x7F]/.test(label) ? `xn--${encode(label)}` : label)),
  toUnicode: (input) => mapDomain(input, (label) => (label.startsWith('xn--') ? decode(label.slice(4).toLowerCase()) : label)),
};
