'use strict';
// Intl: dates and numbers; lists, plurals and relative times in English.

const { resolve, list, supported, canonical } = require('internal/intl_locale');
const { NumberFormat } = require('internal/intl_number');

class PluralRules {
  #type;
  #locale;
  constructor(locales = undefined, options = {}) { this.#locale = resolve(locales).tag; this.#type = (options && options.type) || 'cardinal'; }
  static supportedLocalesOf(locales) { return supported(locales); }
  select(n) {
    n = Number(n);
    if (this.#type === 'cardinal') return n === 1 ? 'one' : 'other';
    const tens = n % 100, ones = n % 10;
    if (ones === 1 && tens !== 11) return 'one';
    if (ones === 2 && tens !== 12) return 'two';
    return ones === 3 && tens !== 13 ? 'few' : 'other';
  }
  resolvedOptions() {
    return { locale: this.#locale, type: this.#type, minimumIntegerDigits: 1, minimumFractionDigits: 0, maximumFractionDigits: 3, pluralCategories: this.#type === 'ordinal' ? ['few', 'one', 'two', 'other'] : ['one', 'other'] };
  }
}

class ListFormat {
  #o;
  constructor(locales = undefined, options = {}) { this.#o = { locale: resolve(locales).tag, type: 'conjunction', style: 'long', ...options }; }
  static supportedLocalesOf(locales) { return supported(locales); }
  formatToParts(items) {
    const values = Array.from(items), parts = [], { type, style } = this.#o;
    const word = type === 'unit' ? '' : type === 'disjunction' ? 'or ' : style === 'long' ? 'and ' : style === 'short' ? '& ' : '';
    values.forEach((value, i) => {
      if (i > 0) {
        const last = i === values.length - 1;
        const comma = type === 'unit' && style === 'narrow' ? ' ' : values.length === 2 && word !== '' ? ' ' : ', ';
        parts.push({ type: 'literal', value: last ? `${comma}${word}` : type === 'unit' && style === 'narrow' ? ' ' : ', ' });
      }
      parts.push({ type: 'element', value });
    });
    return parts;
  }
  format(items) { return this.formatToParts(items).map((p) => p.value).join(''); }
  resolvedOptions() { return { ...this.#o }; }
}

const WORDS = {
  day: { '-1': 'yesterday', 0: 'today', 1: 'tomorrow' }, second: { 0: 'now' }, minute: { 0: 'this minute' }, hour: { 0: 'this hour' },
};
for (const unit of ['year', 'quarter', 'month', 'week']) WORDS[unit] = { '-1': `last ${unit}`, 0: `this ${unit}`, 1: `next ${unit}` };
const SHORT = { year: 'yr.', quarter: 'qtr.', month: 'mo.', week: 'wk.', hour: 'hr.', minute: 'min.', second: 'sec.' };

class RelativeTimeFormat {
  #o;
  constructor(locales = undefined, options = {}) { this.#o = { locale: resolve(locales).tag, style: 'long', numeric: 'always', numberingSystem: 'latn', ...options }; }
  static supportedLocalesOf(locales) { return supported(locales); }
  format(value, unit) { return this.formatToParts(value, unit).map((p) => p.value).join(''); }
  formatToParts(value, unit) {
    value = Number(value);
    unit = `${unit}`.replace(/s$/, '');
    if (WORDS[unit] === undefined) throw new RangeError(`Invalid unit argument for format() '${unit}'`);
    if (!Number.isFinite(value)) throw new RangeError('The number value is not finite.');
    const word = WORDS[unit][Object.is(value, -0) ? 0 : value];
    if (this.#o.numeric === 'auto' && word) return [{ type: 'literal', value: word }];
    const abs = Math.abs(value), past = value < 0 || Object.is(value, -0);
    let name = this.#o.style === 'long' ? unit : SHORT[unit] || unit;
    if (abs !== 1 && (this.#o.style === 'long' || unit === 'day' || unit === 'quarter')) name = unit === 'quarter' && this.#o.style !== 'long' ? 'qtrs.' : `${name}s`;
    const amount = new NumberFormat(this.#o.locale).formatToParts(abs).map((p) => ({ ...p, unit }));
    return past ? [...amount, { type: 'literal', value: ` ${name} ago` }] : [{ type: 'literal', value: 'in ' }, ...amount, { type: 'literal', value: ` ${name}` }];
  }
  resolvedOptions() { return { ...this.#o }; }
}

class Collator {
  #o;
  constructor(locales = undefined, options = {}) {
    this.#o = { locale: resolve(locales).tag, usage: 'sort', sensitivity: 'variant', ignorePunctuation: false, collation: 'default', numeric: false, caseFirst: 'false', ...options };
  }
  static supportedLocalesOf(locales) { return supported(locales); }
  #key(text) {
    const { sensitivity, ignorePunctuation } = this.#o;
    if (sensitivity === 'base' || sensitivity === 'case') text = text.normalize('NFD').replace(/[\u0300-\u036f]/g, '');
    if (sensitivity === 'base' || sensitivity === 'accent') text = text.toLowerCase();
    return ignorePunctuation ? text.replace(/[\s!-\/:-@[-`{-~]/g, '') : text;
  }
  get compare() {
    return (a, b) => {
      a = this.#key(`${a}`);
      b = this.#key(`${b}`);
      const sign = (n) => (n < 0 ? -1 : n > 0 ? 1 : 0);
      if (!this.#o.numeric) return sign(a.localeCompare(b));
      const x = a.match(/\d+|\D+/g) || [], y = b.match(/\d+|\D+/g) || [];
      for (let i = 0; i < Math.min(x.length, y.length); i++) {
        const digits = /^\d/.test(x[i]) && /^\d/.test(y[i]);
        const order = digits ? sign(Number(x[i]) - Number(y[i])) : sign(x[i].localeCompare(y[i]));
        if (order !== 0) return order;
      }
      return sign(x.length - y.length);
    };
  }
  resolvedOptions() { return { ...this.#o }; }
}

// graphemes joins code points that are shown as one character.
function graphemes(text) {
  const out = [];
  let index = 0, joined = false, regional = 0;
  for (const char of text) {
    const code = char.codePointAt(0), last = out[out.length - 1];
    const extends_ = (code >= 0x300 && code <= 0x36f) || code === 0x200d || (code >= 0xfe00 && code <= 0xfe0f) || code === 0x20e3 ||
      (code >= 0x1f3fb && code <= 0x1f3ff) || (code >= 0xe0020 && code <= 0xe007f);
    const flag = code >= 0x1f1e6 && code <= 0x1f1ff;
    if (last && (extends_ || joined || (flag && regional % 2 === 1) || (char === '\n' && last[0] === '\r'))) last[0] += char;
    else out.push([char, index]);
    regional = flag ? regional + 1 : 0;
    joined = code === 0x200d;
    index += char.length;
  }
  return out;
}

class Segmenter {
  #o;
  constructor(locales = undefined, options = {}) { this.#o = { locale: resolve(locales).tag, granularity: 'grapheme', ...options }; }
  static supportedLocalesOf(locales) { return supported(locales); }
  segment(input) {
    input = `${input}`;
    const { granularity } = this.#o;
    const pattern = granularity === 'word' ? /[A-Za-z0-9_\u00c0-\uffff]+(?:['.][A-Za-z0-9_\u00c0-\uffff]+)*|[^A-Za-z0-9_\u00c0-\uffff]/g : /[^.!?]+[.!?]*\s*/g;
    const segments = [];
    for (const [segment, index] of granularity === 'grapheme' ? graphemes(input) : [...input.matchAll(pattern)].map((m) => [m[0], m.index])) {
      const entry = { segment, index, input };
      if (granularity === 'word') entry.isWordLike = /[A-Za-z0-9\u00c0-\uffff]/.test(segment);
      segments.push(entry);
    }
    return { containing: (at = 0) => segments.find((s) => at >= s.index && at < s.index + s.segment.length), [Symbol.iterator]: () => segments[Symbol.iterator]() };
  }
  resolvedOptions() { return { ...this.#o }; }
}

class DisplayNames {
  #o;
  constructor(locales, options) {
    if (options === undefined) throw new TypeError('Cannot convert undefined or null to object');
    this.#o = { locale: resolve(locales).tag, style: 'long', fallback: 'code', ...options };
  }
  static supportedLocalesOf(locales) { return supported(locales); }
  of(code) { return this.#o.fallback === 'none' ? undefined : `${code}`; }
  resolvedOptions() { return { ...this.#o }; }
}

class Locale {
  #tag;
  constructor(tag, options = {}) {
    this.#tag = canonical(tag);
    for (const key of ['calendar', 'numberingSystem', 'hourCycle']) if (options[key] !== undefined) Object.defineProperty(this, key, { value: options[key] });
  }
  get baseName() { return this.#tag.replace(/-u-.*$/, ''); }
  get language() { return this.#tag.split('-')[0]; }
  get region() { return this.#tag.split('-').find((p, i) => i > 0 && /^([A-Z]{2}|\d{3})$/.test(p)); }
  get script() { return this.#tag.split('-').find((p, i) => i > 0 && p.length === 4); }
  maximize() { return this; }
  minimize() { return this; }
  toString() { return this.#tag; }
}

const Intl = module.exports = {
  Collator, DisplayNames, ListFormat, Locale, NumberFormat, PluralRules, RelativeTimeFormat, Segmenter,
  get DateTimeFormat() { return require('internal/intl_date').DateTimeFormat; },
  getCanonicalLocales: (locales) => [...new Set(list(locales))],
  supportedValuesOf: (key) => (key === 'timeZone' ? ['UTC'] : []),
};
for (const [name, Class] of Object.entries({ Collator, DisplayNames, ListFormat, Locale, PluralRules, RelativeTimeFormat, Segmenter })) {
  Object.defineProperty(Class.prototype, Symbol.toStringTag, { value: `Intl.${name}`, configurable: true });
}
for (const name of Object.keys(Intl)) Object.defineProperty(Intl, name, { enumerable: false });
Object.defineProperty(Intl, Symbol.toStringTag, { value: 'Intl', configurable: true });
