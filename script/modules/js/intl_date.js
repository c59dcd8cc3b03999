'use strict';
// Intl.DateTimeFormat.

const { resolve, supported } = require('internal/intl_locale');

const FIELDS = ['weekday', 'era', 'year', 'month', 'day', 'dayPeriod', 'hour', 'minute', 'second', 'fractionalSecondDigits'];
const STYLES = {
  date: {
    full: { weekday: 'long', year: 'numeric', month: 'long', day: 'numeric' }, long: { year: 'numeric', month: 'long', day: 'numeric' },
    medium: { year: 'numeric', month: 'short', day: 'numeric' }, short: { year: '2-digit', month: 'numeric', day: 'numeric' },
  },
  time: {
    full: { hour: 'numeric', minute: '2-digit', second: '2-digit', timeZoneName: 'long' },
    long: { hour: 'numeric', minute: '2-digit', second: '2-digit', timeZoneName: 'short' },
    medium: { hour: 'numeric', minute: '2-digit', second: '2-digit' }, short: { hour: 'numeric', minute: '2-digit' },
  },
};
const ZONE_NAMES = {
  UTC: 'Coordinated Universal Time', EST: 'Eastern Standard Time', EDT: 'Eastern Daylight Time', CST: 'Central Standard Time',
  CDT: 'Central Daylight Time', MST: 'Mountain Standard Time', MDT: 'Mountain Daylight Time', PST: 'Pacific Standard Time',
  PDT: 'Pacific Daylight Time', AKST: 'Alaska Standard Time', AKDT: 'Alaska Daylight Time', HST: 'Hawaii-Aleutian Standard Time',
};
const EUROPE = {
  0: 'Greenwich Mean Time', 3600: 'Central European Standard Time', 7200: 'Eastern European Standard Time',
};

function canonicalZone(name) {
  name = `${name}`;
  const fixed = /^([+-])(\d\d)(?::?(\d\d))?$/.exec(name);
  if (fixed) return `${fixed[1]}${fixed[2]}:${fixed[3] || '00'}`;
  if (/^(utc|gmt|etc\/(utc|gmt|uct|zulu))$/i.test(name)) return 'UTC';
  const tidy = name.split('/').map((part) => part.split('_').map((w) => (/^(of|es|de)$/i.test(w) ? w.toLowerCase() : w.toUpperCase() === w && w.length <= 4 ? w : w[0] ? w[0].toUpperCase() + w.slice(1).toLowerCase() : w)).join('_')).join('/');
  for (const candidate of [name, tidy]) if (native.known(candidate)) return candidate;
  throw new RangeError(`Invalid time zone specified: ${name}`);
}

function offsetOf(zone, ms) {
  const fixed = /^([+-])(\d\d):(\d\d)$/.exec(zone);
  if (fixed) return (fixed[1] === '-' ? -1 : 1) * (Number(fixed[2]) * 3600 + Number(fixed[3]) * 60);
  return native.offset(zone, ms);
}

function gmt(offset, long) {
  if (offset === 0) return 'GMT';
  const abs = Math.abs(offset), hours = Math.floor(abs / 3600), minutes = Math.floor((abs % 3600) / 60);
  const two = (n) => String(n).padStart(2, '0');
  return `GMT${offset < 0 ? '-' : '+'}${long ? two(hours) : hours}${minutes || long ? `:${two(minutes)}` : ''}`;
}

function zoneName(zone, ms, style) {
  const offset = offsetOf(zone, ms);
  if (style === 'shortOffset') return gmt(offset, false);
  if (style === 'longOffset') return gmt(offset, true);
  if (zone === 'UTC') return style.startsWith('long') ? ZONE_NAMES.UTC : 'UTC';
  const short = /^[+-]/.test(zone) ? '' : native.short(zone, ms);
  const american = /^(America|US|Pacific\/Honolulu|Canada)/.test(zone) && ZONE_NAMES[short] !== undefined;
  if (!style.startsWith('long')) return american ? short : gmt(offset, false);
  if (american) return ZONE_NAMES[short];
  if (/^Europe\//.test(zone)) {
    const summer = native.dst(zone, ms), name = EUROPE[offset - (summer ? 3600 : 0)];
    if (zone === 'Europe/London' && summer) return 'British Summer Time';
    if (name && !/Greenwich/.test(name)) return summer ? name.replace('Standard', 'Summer') : name;
    if (name) return name;
  }
  return gmt(offset, true);
}

class DateTimeFormat {
  #o;
  #data;
  #resolved;
  constructor(locales = undefined, options = undefined, needed = 'date', defaults = 'date') {
    const { tag, data } = resolve(locales);
    this.#data = data;
    const given = { ...(options || {}) };
    const o = this.#o = {};
    for (const field of [...FIELDS, 'timeZoneName']) if (given[field] !== undefined) o[field] = given[field];
    const { dateStyle, timeStyle } = given;
    if (dateStyle !== undefined || timeStyle !== undefined) {
      if (Object.keys(o).length > 0) throw new TypeError(`Can't set option ${Object.keys(o)[0]} when ${dateStyle !== undefined ? 'dateStyle' : 'timeStyle'} is used`);
      for (const [kind, style] of [['date', dateStyle], ['time', timeStyle]]) {
        if (style === undefined) continue;
        if (!STYLES[kind][style]) throw new RangeError(`Value ${style} out of range for Intl.DateTimeFormat options property ${kind}Style`);
        Object.assign(o, STYLES[kind][style]);
      }
      o.dateStyle = dateStyle;
      o.timeStyle = timeStyle;
      if (data.pad && dateStyle === 'short') Object.assign(o, { day: '2-digit', month: '2-digit', year: tag === 'en-GB' || tag === 'fr-FR' ? 'numeric' : o.year });
      if (dateStyle === 'short' && data.order === 'ymd') o.year = 'numeric';
      if (dateStyle === 'short' && tag === 'de-DE') Object.assign(o, { day: '2-digit', month: '2-digit' });
    } else {
      const hasDate = o.weekday || o.year || o.month || o.day, hasTime = o.dayPeriod || o.hour || o.minute || o.second || o.fractionalSecondDigits;
      if (!((needed !== 'time' && hasDate) || (needed !== 'date' && hasTime) || (needed === 'date' && hasTime && !hasDate && defaults === 'date'))) {
        if (defaults !== 'time') Object.assign(o, { year: 'numeric', month: 'numeric', day: 'numeric' });
        if (defaults !== 'date') Object.assign(o, { hour: 'numeric', minute: '2-digit', second: '2-digit' });
      }
    }
    const zone = given.timeZone === undefined ? native.local() : canonicalZone(given.timeZone);
    let cycle = data.hour12 ? 'h12' : 'h23';
    if (given.hourCycle !== undefined) cycle = given.hourCycle;
    if (given.hour12 !== undefined) cycle = given.hour12 ? 'h12' : data.hour12 ? 'h24' : 'h23';
    o.zone = zone;
    o.cycle = cycle;
    this.#resolved = { locale: tag, calendar: 'gregory', numberingSystem: 'latn', timeZone: zone };
    if (o.hour !== undefined) Object.assign(this.#resolved, { hourCycle: cycle === 'h24' ? 'h24' : cycle, hour12: cycle === 'h12' || cycle === 'h11' });
    for (const field of [...FIELDS, 'timeZoneName', 'dateStyle', 'timeStyle']) if (o[field] !== undefined && (!o.dateStyle && !o.timeStyle || field.endsWith('Style'))) this.#resolved[field] = o[field];
  }
  static supportedLocalesOf(locales) { return supported(locales); }
  resolvedOptions() { return { ...this.#resolved }; }
  get format() { return (date) => this.#parts(date).map((p) => (p.value === '\u202f' ? ' ' : p.value)).join(''); }
  formatToParts(date) { return this.#parts(date); }
  formatRange(from, to) {
    const a = this.format(from), b = this.format(to);
    return a === b ? a : `${a} – ${b}`;
  }
  formatRangeToParts(from, to) {
    return [...this.#parts(from).map((p) => ({ ...p, source: 'startRange' })), { type: 'literal', value: ' – ', source: 'shared' }, ...this.#parts(to).map((p) => ({ ...p, source: 'endRange' }))];
  }

  #parts(date) {
    const ms = date === undefined ? Date.now() : Number(date);
    if (!Number.isFinite(ms)) throw new RangeError('Invalid time value');
    const local = new Date(ms + offsetOf(this.#o.zone, ms) * 1000);
    const day = this.#dateParts(local), time = this.#timeParts(local, ms);
    if (day.length === 0 || time.length === 0) return merge([...day, ...time]);
    const long = this.#o.month === 'long' || this.#o.dateStyle === 'long' || this.#o.dateStyle === 'full';
    const glue = long ? this.#data.at || ' at ' : this.#data.join || ', ';
    return merge([...day, { type: 'literal', value: glue }, ...time]);
  }

  #field(name, local) {
    const o = this.#o, d = this.#data, two = (n, style) => (style === '2-digit' ? String(n).padStart(2, '0') : String(n));
    switch (name) {
      case 'year': { const y = local.getUTCFullYear(); return o.year === '2-digit' ? String(Math.abs(y) % 100).padStart(2, '0') : String(y <= 0 ? 1 - y : y); }
      case 'month': {
        const m = local.getUTCMonth();
        if (o.month === 'long') return d.months[m];
        if (o.month === 'short') return d.shortMonths[m];
        return o.month === 'narrow' ? d.months[m][0].toUpperCase() : two(m + 1, this.#pad(o.month));
      }
      case 'day': return two(local.getUTCDate(), this.#worded ? o.day : this.#pad(o.day));
      default: {
        const w = local.getUTCDay();
        return o.weekday === 'long' ? d.days[w] : o.weekday === 'short' ? d.shortDays[w] : d.days[w][0].toUpperCase();
      }
    }
  }
  get #worded() { return ['long', 'short', 'narrow'].includes(this.#o.month); }
  #pad(style) { return this.#data.pad && style === 'numeric' && (this.#o.year || this.#data.order !== 'mdy') && this.#o.month && this.#o.day ? '2-digit' : style; }

  #dateParts(local) {
    const o = this.#o, d = this.#data, out = [];
    const push = (type) => out.push({ type, value: this.#field(type, local) });
    const literal = (value) => out.push({ type: 'literal', value });
    const order = (this.#worded ? d.longOrder || (d.order === 'ymd' ? 'mdy' : d.order) : d.order).split('').map((c) => ({ m: 'month', d: 'day', y: 'year' }[c])).filter((f) => o[f]);
    if (o.weekday) {
      push('weekday');
      const gap = d.order === 'dmy' && d.pad && !o.year ? ' ' : ', ';
      if (order.length > 0) literal(d.weekdayJoin || (d.longOrder ? ' ' : gap));
    }
    order.forEach((field, i) => {
      if (i > 0) {
        if (!this.#worded) literal(d.separator);
        else if (field === 'year' && order[i - 1] === 'day') literal(', ');
        else literal(d.dayDot && order[i - 1] === 'day' ? `${d.dayDot} ` : ' ');
      }
      push(field);
    });
    if (o.era && out.length > 0) {
      literal(' ');
      const before = local.getUTCFullYear() <= 0;
      out.push({ type: 'era', value: o.era === 'long' ? (before ? 'Before Christ' : 'Anno Domini') : before ? 'BC' : 'AD' });
    }
    return out;
  }

  #timeParts(local, ms) {
    const o = this.#o, out = [], two = (n) => String(n).padStart(2, '0');
    const literal = (value) => out.push({ type: 'literal', value });
    const half = o.cycle === 'h12' || o.cycle === 'h11';
    if (o.hour) {
      let h = local.getUTCHours();
      if (o.cycle === 'h12') h = h % 12 || 12;
      else if (o.cycle === 'h11') h %= 12;
      else if (o.cycle === 'h24') h = h || 24;
      const padded = o.hour === '2-digit' || (!half && (o.minute || this.#data.hour12 || o.hour !== 'numeric')) || !half;
      out.push({ type: 'hour', value: padded ? two(h) : String(h) });
    }
    if (o.minute) {
      if (out.length > 0) literal(':');
      const alone = out.length === 0 && !o.second;
      out.push({ type: 'minute', value: alone ? String(local.getUTCMinutes()) : two(local.getUTCMinutes()) });
    }
    if (o.second) {
      if (out.length > 0) literal(':');
      out.push({ type: 'second', value: out.length === 0 ? String(local.getUTCSeconds()) : two(local.getUTCSeconds()) });
    }
    if (o.fractionalSecondDigits) {
      if (out.length > 0) literal(this.#data.decimal);
      out.push({ type: 'fractionalSecond', value: String(local.getUTCMilliseconds()).padStart(3, '0').slice(0, o.fractionalSecondDigits) });
    }
    if (o.hour && half) {
      literal('\u202f');
      out.push({ type: 'dayPeriod', value: (this.#data.amPm || ['AM', 'PM'])[local.getUTCHours() < 12 ? 0 : 1] });
    }
    if (o.timeZoneName) {
      if (out.length > 0) literal(' '); else if (o.year || o.month || o.day || o.weekday) { /* joined by the caller */ }
      out.push({ type: 'timeZoneName', value: zoneName(o.zone, ms, o.timeZoneName) });
    }
    return out;
  }
}

function merge(parts) {
  const out = [];
  for (const part of parts) {
    const last = out[out.length - 1];
    if (last && last.type === 'literal' && part.type === 'literal') last.value += part.value;
    else out.push({ ...part });
  }
  return out;
}

// DateTimeFormat can be called without new.
function Callable(locales, options) { return new DateTimeFormat(locales, options); }
Callable.prototype = DateTimeFormat.prototype;
Callable.supportedLocalesOf = DateTimeFormat.supportedLocalesOf;
Object.defineProperty(Callable, 'name', { value: 'DateTimeFormat' });
Object.defineProperty(DateTimeFormat.prototype, 'constructor', { value: Callable, enumerable: false, writable: true, configurable: true });
Object.defineProperty(DateTimeFormat.prototype, Symbol.toStringTag, { value: 'Intl.DateTimeFormat', configurable: true });

function toLocale(needed, defaults) {
  return function(locales, options) {
    if (Number.isNaN(this.getTime())) return 'Invalid Date';
    for (const [style, refused] of [['timeStyle', 'date'], ['dateStyle', 'time']]) {
      if (options && options[style] !== undefined && needed === refused) throw new TypeError(`Invalid option : ${style}`);
    }
    return new DateTimeFormat(locales, options, needed, defaults).format(this);
  };
}

module.exports = {
  DateTimeFormat: Callable,
  toLocaleString: toLocale('any', 'all'), toLocaleDateString: toLocale('date', 'date'), toLocaleTimeString: toLocale('time', 'time'),
};
for (const name of ['toLocaleString', 'toLocaleDateString', 'toLocaleTimeString']) Object.defineProperty(module.exports[name], 'name', { value: name });
