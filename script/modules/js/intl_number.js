'use strict';
// Intl.NumberFormat and PluralRules.

const { resolve, supported } = require('internal/intl_locale');

const SYMBOLS = {
  USD: '$', EUR: '€', GBP: '£', JPY: '¥', INR: '₹', CNY: 'CN¥', KRW: '₩', BRL: 'R$', CAD: 'CA$', AUD: 'A$', MXN: 'MX$', NZD: 'NZ$', ILS: '₪',
  VND: '₫', TWD: 'NT$', HKD: 'HK$', XAF: 'FCFA', PHP: '₱',
};
const NAMES = { USD: 'US dollars', EUR: 'euros', GBP: 'British pounds', JPY: 'Japanese yen', CHF: 'Swiss francs', CAD: 'Canadian dollars' };
const WHOLE = new Set(['JPY', 'KRW', 'VND', 'CLP', 'ISK', 'UGX', 'XAF', 'XOF']);
const UNITS = {
  kilometer: ['km', 'kilometer'], meter: ['m', 'meter'], centimeter: ['cm', 'centimeter'], millimeter: ['mm', 'millimeter'], mile: ['mi', 'mile'], liter: ['L', 'liter'],
  kilogram: ['kg', 'kilogram'], gram: ['g', 'gram'], percent: ['%', 'percent'], celsius: ['°C', 'degree Celsius'], fahrenheit: ['°F', 'degree Fahrenheit'],
  byte: ['byte', 'byte'], kilobyte: ['kB', 'kilobyte'], megabyte: ['MB', 'megabyte'], gigabyte: ['GB', 'gigabyte'], terabyte: ['TB', 'terabyte'], bit: ['bit', 'bit'],
  second: ['sec', 'second'], minute: ['min', 'minute'], hour: ['hr', 'hour'], day: ['day', 'day'], week: ['wk', 'week'], month: ['mth', 'month'], year: ['yr', 'year'], millisecond: ['ms', 'millisecond'],
};

// digitsOf splits a finite number into its decimal digits, without exponent.
function digitsOf(value) {
  const text = typeof value === 'bigint' ? `${value < 0n ? -value : value}` : `${Math.abs(value)}`;
  const [mantissa, exponent] = text.split('e');
  let [whole, fraction = ''] = mantissa.split('.');
  if (exponent) {
    const shift = Number(exponent);
    if (shift > 0) {
      whole += fraction.padEnd(shift, '0').slice(0, shift);
      fraction = fraction.slice(shift);
    } else {
      fraction = whole.padStart(-shift + 1, '0').slice(-(-shift + whole.length)).padStart(-shift, '0') + fraction;
      fraction = `${'0'.repeat(Math.max(0, -shift - whole.length))}${whole}${mantissa.split('.')[1] || ''}`;
      whole = '0';
    }
  }
  return [whole, fraction];
}

function increment(digits) {
  const list = digits.split('');
  for (let i = list.length - 1; i >= 0; i--) {
    if (list[i] !== '9') { list[i] = String(Number(list[i]) + 1); return list.join(''); }
    list[i] = '0';
  }
  return `1${list.join('')}`;
}

// round cuts the fraction at a number of digits, half away from zero.
function round(whole, fraction, digits) {
  if (fraction.length <= digits) return [whole, fraction];
  const up = fraction[digits] >= '5';
  let all = whole + fraction.slice(0, digits);
  if (up) all = increment(all);
  return [all.slice(0, all.length - digits) || '0', all.slice(all.length - digits)];
}

function number(value, name, min, max, fallback) {
  if (value === undefined) return fallback;
  value = Number(value);
  if (!(value >= min && value <= max)) throw new RangeError(`${name} value is out of range.`);
  return Math.floor(value);
}

class NumberFormat {
  #o;
  #data;
  constructor(locales = undefined, options = undefined) {
    const { tag, data } = resolve(locales);
    options = options || {};
    this.#data = data;
    const o = this.#o = {
      locale: tag, numberingSystem: 'latn', style: options.style === undefined ? 'decimal' : options.style,
    };
    if (!['decimal', 'percent', 'currency', 'unit'].includes(o.style)) throw new RangeError(`Value ${o.style} out of range for Intl.NumberFormat options property style`);
    if (o.style === 'currency') {
      if (options.currency === undefined) throw new TypeError('Currency code is required with currency style.');
      if (!/^[a-z]{3}$/i.test(options.currency)) throw new RangeError(`Invalid currency code : ${options.currency}`);
      o.currency = options.currency.toUpperCase();
      o.currencyDisplay = options.currencyDisplay || 'symbol';
      o.currencySign = options.currencySign || 'standard';
    }
    if (o.style === 'unit') {
      if (options.unit === undefined) throw new TypeError('Required unit for unit style is missing.');
      o.unit = options.unit;
      o.unitDisplay = options.unitDisplay || 'short';
    }
    const compact = options.notation === 'compact';
    const money = o.style === 'currency' ? (WHOLE.has(o.currency) ? 0 : 2) : 0;
    o.minimumIntegerDigits = number(options.minimumIntegerDigits, 'minimumIntegerDigits', 1, 21, 1);
    const min = number(options.minimumFractionDigits, 'minimumFractionDigits', 0, 100), max = number(options.maximumFractionDigits, 'maximumFractionDigits', 0, 100);
    const usualMin = compact ? 0 : money, usualMax = o.style === 'currency' ? (compact ? 0 : money) : o.style === 'percent' || compact ? 0 : 3;
    o.minimumFractionDigits = min === undefined ? Math.min(usualMin, max === undefined ? usualMin : max) : min;
    o.maximumFractionDigits = max === undefined ? Math.max(usualMax, o.minimumFractionDigits) : max;
    if (o.minimumFractionDigits > o.maximumFractionDigits) throw new RangeError('maximumFractionDigits value is out of range.');
    if (options.minimumSignificantDigits !== undefined || options.maximumSignificantDigits !== undefined) {
      o.minimumSignificantDigits = number(options.minimumSignificantDigits, 'minimumSignificantDigits', 1, 21, 1);
      o.maximumSignificantDigits = number(options.maximumSignificantDigits, 'maximumSignificantDigits', o.minimumSignificantDigits, 21, 21);
    } else if (compact && min === undefined && max === undefined) o.compactRounding = true;
    o.useGrouping = options.useGrouping === undefined ? (compact ? 'min2' : 'auto') : options.useGrouping === true ? 'always' : options.useGrouping === 'false' ? false : options.useGrouping;
    o.notation = options.notation || 'standard';
    if (compact) o.compactDisplay = options.compactDisplay || 'short';
    o.signDisplay = options.signDisplay || 'auto';
    o.roundingIncrement = 1;
    o.roundingMode = 'halfExpand';
    o.roundingPriority = 'auto';
    o.trailingZeroDisplay = 'auto';
  }
  static supportedLocalesOf(locales) { return supported(locales); }
  resolvedOptions() { const { compactRounding, ...rest } = this.#o; return rest; }
  get format() { return (value) => this.formatToParts(value).map((p) => p.value).join(''); }
  formatRange(a, b) { const x = this.format(a), y = this.format(b); return x === y ? `~${x}` : `${x}–${y}`; }

  formatToParts(value) {
    if (typeof value !== 'bigint') value = Number(value);
    const o = this.#o, d = this.#data;
    const negative = value < 0 || Object.is(value, -0);
    let parts = this.#magnitude(value);
    const zero = parts.every((p) => !/integer|fraction/.test(p.type) || /^0*$/.test(p.value)) && !Number.isNaN(value) && parts.some((p) => p.type === 'integer');
    if (o.style === 'percent') parts.push({ type: 'percentSign', value: d.percent });
    if (o.style === 'currency') parts = this.#currency(parts, value);
    if (o.style === 'unit') parts = this.#unit(parts, value);
    let sign = '';
    if (negative && !(zero && (o.signDisplay === 'negative' || o.signDisplay === 'exceptZero'))) sign = d.minus || '-';
    else if (!Number.isNaN(value) && (o.signDisplay === 'always' || (o.signDisplay === 'exceptZero' && !zero))) sign = '+';
    if (o.signDisplay === 'never') sign = '';
    if (sign === '') return parts;
    if (sign === '-' && o.currencySign === 'accounting') return [{ type: 'literal', value: '(' }, ...parts, { type: 'literal', value: ')' }];
    return [{ type: sign === '+' ? 'plusSign' : 'minusSign', value: sign }, ...parts];
  }

  #magnitude(value) {
    const o = this.#o, d = this.#data;
    if (Number.isNaN(value)) return [{ type: 'nan', value: 'NaN' }];
    if (value === Infinity || value === -Infinity) return [{ type: 'infinity', value: '∞' }];
    let [whole, fraction] = digitsOf(value), suffix = null;
    if (o.style === 'percent') [whole, fraction] = shift(whole, fraction, 2);
    if (o.notation === 'compact') [whole, fraction, suffix] = this.#compact(whole, fraction);
    if (o.notation === 'scientific' || o.notation === 'engineering') [whole, fraction, suffix] = this.#scientific(whole, fraction);
    if (o.maximumSignificantDigits !== undefined) [whole, fraction] = significant(whole, fraction, o.minimumSignificantDigits, o.maximumSignificantDigits);
    else if (!o.compactRounding) {
      [whole, fraction] = round(whole, fraction, o.maximumFractionDigits);
      fraction = fraction.replace(/0+$/, '').padEnd(o.minimumFractionDigits, '0');
    }
    whole = whole.replace(/^0+(?=\d)/, '').padStart(o.minimumIntegerDigits, '0');
    const parts = [];
    const group = o.useGrouping && (o.useGrouping !== 'min2' || whole.length > 4) && o.notation !== 'scientific';
    const groups = group ? whole.replace(/\B(?=(\d{3})+$)/g, ' ').split(' ') : [whole];
    groups.forEach((g, i) => {
      if (i > 0) parts.push({ type: 'group', value: d.group });
      parts.push({ type: 'integer', value: g });
    });
    if (fraction !== '') parts.push({ type: 'decimal', value: d.decimal }, { type: 'fraction', value: fraction });
    if (suffix) parts.push(...suffix);
    return parts;
  }

  #compact(whole, fraction) {
    const size = whole.replace(/^0+/, '').length;
    const step = Math.min(4, Math.max(0, Math.floor((size - 1) / 3)));
    let [w, f] = shift(whole, fraction, -3 * step), level = step;
    if (this.#o.compactRounding) {
      const keep = w.replace(/^0+/, '').length >= 2 ? 0 : 1;
      [w, f] = round(w, f, keep);
      if (w.length > 3 && level < 4) { [w, f] = shift(w, f, -3); level++; [w, f] = round(w, f, w.length >= 2 ? 0 : 1); }
      f = f.replace(/0+$/, '');
    }
    if (level === 0) return [w, f, null];
    if (this.#o.compactDisplay === 'long') {
      return [w, f, [{ type: 'literal', value: ' ' }, { type: 'compact', value: ['', 'thousand', 'million', 'billion', 'trillion'][level] }]];
    }
    return [w, f, [{ type: 'compact', value: ['', 'K', 'M', 'B', 'T'][level] }]];
  }

  #scientific(whole, fraction) {
    const digits = (whole + fraction).replace(/^0+/, '');
    if (digits === '') return ['0', '', [{ type: 'exponentSeparator', value: 'E' }, { type: 'exponentInteger', value: '0' }]];
    let exponent = whole.replace(/^0+/, '').length - 1;
    if (/^0*$/.test(whole)) exponent = -(/^0*/.exec(fraction)[0].length + 1);
    const lead = this.#o.notation === 'engineering' ? ((exponent % 3) + 3) % 3 : 0;
    exponent -= lead;
    const suffix = [{ type: 'exponentSeparator', value: 'E' }];
    if (exponent < 0) suffix.push({ type: 'exponentMinusSign', value: '-' });
    suffix.push({ type: 'exponentInteger', value: String(Math.abs(exponent)) });
    return [digits.slice(0, lead + 1).padEnd(lead + 1, '0'), digits.slice(lead + 1), suffix];
  }

  #currency(parts, value) {
    const o = this.#o;
    if (o.currencyDisplay === 'name') {
      const one = parts.length === 1 && parts[0].value === '1';
      const name = NAMES[o.currency] || o.currency;
      return [...parts, { type: 'literal', value: ' ' }, { type: 'currency', value: one ? name.replace(/s$/, '') : name }];
    }
    void value;
    let symbol = o.currencyDisplay === 'code' ? o.currency : o.currencyDisplay === 'narrowSymbol' ? (SYMBOLS[o.currency] || o.currency).replace(/^[A-Z]+(?=[^A-Z])/, '') : SYMBOLS[o.currency] || o.currency;
    if (this.#data.currencyAfter && o.currencyDisplay === 'symbol' && o.currency === 'USD') symbol = '$';
    const sign = { type: 'currency', value: symbol };
    if (this.#data.currencyAfter) return [...parts, { type: 'literal', value: '\u00a0' }, sign];
    return /[A-Za-z]$/.test(symbol) ? [sign, { type: 'literal', value: '\u00a0' }, ...parts] : [sign, ...parts];
  }

  #unit(parts) {
    const o = this.#o;
    const one = parts.length === 1 && parts[0].value === '1';
    const [short, long] = UNITS[o.unit] || [o.unit.replace(/-per-/, '/'), o.unit.replace(/-/g, ' ')];
    if (o.unitDisplay === 'long') return [...parts, { type: 'literal', value: ' ' }, { type: 'unit', value: one || long === 'percent' ? long : long.startsWith('degree') ? long.replace('degree', 'degrees') : `${long}s` }];
    const glue = o.unitDisplay === 'narrow' || short === '%' || short.startsWith('°') ? '' : ' ';
    const word = !one && /^(day|wk|mth|yr)$/.test(short) && o.unitDisplay === 'short' ? `${short}s` : short;
    return [...parts, ...(glue ? [{ type: 'literal', value: glue }] : []), { type: 'unit', value: word }];
  }
}

// shift moves the decimal point to the right, or to the left when negative.
function shift(whole, fraction, by) {
  if (by >= 0) return [whole + fraction.padEnd(by, '0').slice(0, by), fraction.slice(by)];
  const padded = whole.padStart(-by + 1, '0');
  return [padded.slice(0, by), padded.slice(by) + fraction];
}

function significant(whole, fraction, min, max) {
  const lead = whole.replace(/^0+/, '');
  const zeros = lead === '' ? /^0*/.exec(fraction)[0].length : 0;
  const used = lead.length;
  if (used > max) {
    const [w] = round(whole.slice(0, whole.length - (used - max)), whole.slice(whole.length - (used - max)), 0);
    return [w + '0'.repeat(used - max), ''];
  }
  const [w, f] = round(whole, fraction, lead === '' ? zeros + max : max - used);
  const wanted = lead === '' ? zeros + min : Math.max(0, min - used);
  return [w, f.replace(/0+$/, '').padEnd(wanted, '0')];
}

function Callable(locales, options) { return new NumberFormat(locales, options); }
Callable.prototype = NumberFormat.prototype;
Callable.supportedLocalesOf = NumberFormat.supportedLocalesOf;
Object.defineProperty(Callable, 'name', { value: 'NumberFormat' });
Object.defineProperty(NumberFormat.prototype, 'constructor', { value: Callable, enumerable: false, writable: true, configurable: true });
Object.defineProperty(NumberFormat.prototype, Symbol.toStringTag, { value: 'Intl.NumberFormat', configurable: true });

module.exports = {
  NumberFormat: Callable,
  toLocaleString: { toLocaleString(locales, options) { return new NumberFormat(locales, options).format(typeof this === 'object' ? this.valueOf() : this); } }.toLocaleString,
};
