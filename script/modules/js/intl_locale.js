'use strict';
// What is known of languages: a handful of them, the rest is shown as English.

const EN_MONTHS = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December'];
const EN_DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const cut = (list, n) => list.map((w) => w.slice(0, n));

const english = {
  months: EN_MONTHS, shortMonths: cut(EN_MONTHS, 3), days: EN_DAYS, shortDays: cut(EN_DAYS, 3), decimal: '.', group: ',', percent: '%',
  order: 'mdy', separator: '/', hour12: true, year2: true,
};
const LOCALES = {
  'en-US': english,
  'en-GB': { ...english, shortMonths: english.shortMonths.map((m) => (m === 'Sep' ? 'Sept' : m)), order: 'dmy', hour12: false, pad: true },
  'en-AU': { ...english, shortMonths: english.shortMonths.map((m) => (m === 'Sep' ? 'Sept' : m)), order: 'dmy', pad: true, amPm: ['am', 'pm'] },
  'en-CA': { ...english, order: 'ymd', separator: '-', pad: true, amPm: ['a.m.', 'p.m.'] },
  'sv-SE': {
    months: ['januari', 'februari', 'mars', 'april', 'maj', 'juni', 'juli', 'augusti', 'september', 'oktober', 'november', 'december'],
    shortMonths: ['jan.', 'feb.', 'mars', 'apr.', 'maj', 'juni', 'juli', 'aug.', 'sep.', 'okt.', 'nov.', 'dec.'],
    days: ['söndag', 'måndag', 'tisdag', 'onsdag', 'torsdag', 'fredag', 'lördag'], shortDays: ['sön', 'mån', 'tis', 'ons', 'tors', 'fre', 'lör'],
    decimal: ',', group: '\u00a0', percent: '\u00a0%', order: 'ymd', separator: '-', pad: true, hour12: false, join: ' ', longOrder: 'dmy', minus: '\u2212',
  },
  'de-DE': {
    months: ['Januar', 'Februar', 'März', 'April', 'Mai', 'Juni', 'Juli', 'August', 'September', 'Oktober', 'November', 'Dezember'],
    shortMonths: ['Jan.', 'Feb.', 'März', 'Apr.', 'Mai', 'Juni', 'Juli', 'Aug.', 'Sept.', 'Okt.', 'Nov.', 'Dez.'],
    days: ['Sonntag', 'Montag', 'Dienstag', 'Mittwoch', 'Donnerstag', 'Freitag', 'Samstag'], shortDays: ['So', 'Mo', 'Di', 'Mi', 'Do', 'Fr', 'Sa'],
    decimal: ',', group: '.', percent: '\u00a0%', order: 'dmy', separator: '.', hour12: false, dayDot: '.', at: ' um ', currencyAfter: true,
  },
  'fr-FR': {
    months: ['janvier', 'février', 'mars', 'avril', 'mai', 'juin', 'juillet', 'août', 'septembre', 'octobre', 'novembre', 'décembre'],
    shortMonths: ['janv.', 'févr.', 'mars', 'avr.', 'mai', 'juin', 'juil.', 'août', 'sept.', 'oct.', 'nov.', 'déc.'],
    days: ['dimanche', 'lundi', 'mardi', 'mercredi', 'jeudi', 'vendredi', 'samedi'], shortDays: ['dim.', 'lun.', 'mar.', 'mer.', 'jeu.', 'ven.', 'sam.'],
    decimal: ',', group: '\u202f', percent: '\u00a0%', order: 'dmy', separator: '/', pad: true, hour12: false, join: ' ', at: ' à ', currencyAfter: true, weekdayJoin: ' ',
  },
};
LOCALES['sv-SE'].currencyAfter = true;
const DEFAULTS = { en: 'en-US', sv: 'sv-SE', de: 'de-DE', fr: 'fr-FR' };

function canonical(tag) {
  if (typeof tag !== 'string' && (typeof tag !== 'object' || tag === null)) throw new TypeError('Incorrect locale information provided');
  tag = `${tag}`;
  if (!/^([a-z]{2,3}|[a-z]{5,8})([-_][a-z0-9]{1,8})*$/i.test(tag)) throw new RangeError(`Incorrect locale information provided`);
  return tag.split(/[-_]/).map((part, i) => {
    if (i === 0) return part.toLowerCase();
    if (part.length === 2) return part.toUpperCase();
    return part.length === 4 ? part[0].toUpperCase() + part.slice(1).toLowerCase() : part.toLowerCase();
  }).join('-');
}

function list(locales) {
  if (locales === undefined) return [];
  const all = typeof locales === 'string' || (locales !== null && typeof locales === 'object' && !Array.isArray(locales)) ? [locales] : [...locales];
  return all.map(canonical);
}

// resolve returns the tag that is used for what was asked, and its data.
function resolve(locales) {
  for (const tag of list(locales)) {
    const plain = tag.replace(/-u-.*$/, '');
    if (LOCALES[plain]) return { tag: plain, data: LOCALES[plain] };
    const language = plain.split('-')[0];
    if (DEFAULTS[language]) return { tag: language === plain ? plain : plain, data: LOCALES[DEFAULTS[language]] };
  }
  return { tag: 'en-US', data: english };
}

function supported(locales) { return list(locales).filter((tag) => DEFAULTS[tag.split('-')[0]]); }

module.exports = { resolve, list, supported, canonical };
