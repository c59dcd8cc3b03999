'use strict';
// How inspected text is laid out: quoting, widths, columns of arrays, and the
// choice between one line and many.

const ANSI = /[\u001B\u009B][[\]()#;?]*(?:(?:(?:(?:;[-a-zA-Z\d\/#&.:=?%@~_]+)*|[a-zA-Z\d]+(?:;[-a-zA-Z\d\/#&.:=?%@~_]*)*)?\u0007)|(?:(?:\d{1,4}(?:;\d{0,4})*)?[\dA-PR-TZcf-ntqry=><~]))/g;

function stripColors(text) {
  return text.includes('\u001B') || text.includes('\u009B') ? text.replace(ANSI, '') : text;
}

function isWide(code) {
  return code >= 0x1100 && (code <= 0x115f || code === 0x2329 || code === 0x232a ||
    (code >= 0x2e80 && code <= 0x3247 && code !== 0x303f) || (code >= 0x3250 && code <= 0x4dbf) ||
    (code >= 0x4e00 && code <= 0xa4c6) || (code >= 0xa960 && code <= 0xa97c) || (code >= 0xac00 && code <= 0xd7a3) ||
    (code >= 0xf900 && code <= 0xfaff) || (code >= 0xfe10 && code <= 0xfe19) || (code >= 0xfe30 && code <= 0xfe6b) ||
    (code >= 0xff01 && code <= 0xff60) || (code >= 0xffe0 && code <= 0xffe6) || (code >= 0x1b000 && code <= 0x1b001) ||
    (code >= 0x1f300 && code <= 0x1f64f) || (code >= 0x1f680 && code <= 0x1f6ff) || (code >= 0x1f900 && code <= 0x1f9ff) ||
    (code >= 0x20000 && code <= 0x3fffd));
}

function isZeroWidth(code) {
  return code <= 0x1f || (code >= 0x7f && code <= 0x9f) || (code >= 0x300 && code <= 0x36f) ||
    (code >= 0x200b && code <= 0x200f) || (code >= 0x20d0 && code <= 0x20ff) ||
    (code >= 0xfe00 && code <= 0xfe0f) || (code >= 0xfe20 && code <= 0xfe2f) || (code >= 0xe0100 && code <= 0xe01ef);
}

// width is the number of terminal columns of text.
function width(text, strip = true) {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  let columns = 0;
  if (strip) text = stripColors(text);
  for (const char of text.normalize('NFC')) {
    const code = char.codePointAt(0);
    if (isWide(code)) columns += 2;
    else if (!isZeroWidth(code)) columns++;
  }
  return columns;
}

const NEEDS_ESCAPE = /[\x00-\x1f\x27\x5c\x7f-\x9f]|[\ud800-\udbff](?![\udc00-\udfff])|(?:[^\ud800-\udbff]|^)[\udc00-\udfff]/;
const SHORT = { 8: '\\b', 9: '\\t', 10: '\\n', 12: '\\f', 13: '\\r', 92: '\\\\' };

// quote writes text as a string literal with the quotes that need the fewest
// escapes.
function quote(text) {
  if (!NEEDS_ESCAPE.test(text)) return `'${text}'`;
  let mark = "'";
  if (text.includes("'")) {
    if (!text.includes('"')) mark = '"';
    else if (!text.includes('`') && !text.includes('${')) mark = '`';
  }
  let out = '';
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (SHORT[code]) out += SHORT[code];
    else if (code === 39) out += mark === "'" ? "\\'" : "'";
    else if (code < 32 || (code >= 127 && code <= 159)) out += `\\x${code < 16 ? '0' : ''}${code.toString(16).toUpperCase()}`;
    else if (code >= 0xd800 && code <= 0xdfff) {
      const next = text.charCodeAt(i + 1);
      if (code < 0xdc00 && next >= 0xdc00 && next <= 0xdfff) out += text[i] + text[++i];
      else out += `\\u${code.toString(16)}`;
    } else out += text[i];
  }
  return mark + out + mark;
}

// columns puts the elements of a long array side by side.
function columns(ctx, output, value) {
  const more = ctx.maxArrayLength < output.length ? 1 : 0;
  const count = output.length - more;
  const gap = 2;
  const sizes = [];
  let total = 0, longest = 0;
  for (let i = 0; i < count; i++) {
    sizes[i] = width(output[i], ctx.colors);
    total += sizes[i] + gap;
    if (sizes[i] > longest) longest = sizes[i];
  }
  const cell = longest + gap;
  if (cell * 3 + ctx.indentationLvl >= ctx.breakLength || (total / cell <= 5 && longest > 6)) return output;
  const bias = Math.sqrt(cell - total / output.length);
  const biased = Math.max(cell - 3 - bias, 1);
  const perRow = Math.min(
    Math.round(Math.sqrt(2.5 * biased * count) / biased),
    Math.floor((ctx.breakLength - ctx.indentationLvl) / cell),
    ctx.compact * 4,
    15,
  );
  if (perRow <= 1) return output;
  const widths = [];
  for (let column = 0; column < perRow; column++) {
    let widest = 0;
    for (let j = column; j < output.length; j += perRow) if (sizes[j] > widest) widest = sizes[j];
    widths.push(widest + gap);
  }
  let pad = String.prototype.padStart;
  if (value !== undefined) {
    for (let i = 0; i < output.length; i++) {
      if (typeof value[i] !== 'number' && typeof value[i] !== 'bigint') { pad = String.prototype.padEnd; break; }
    }
  }
  const rows = [];
  for (let i = 0; i < count; i += perRow) {
    const end = Math.min(i + perRow, count);
    let row = '', j = i;
    for (; j < end - 1; j++) row += pad.call(`${output[j]}, `, widths[j - i] + output[j].length - sizes[j], ' ');
    if (pad === String.prototype.padStart) row += output[j].padStart(widths[j - i] + output[j].length - sizes[j] - gap, ' ');
    else row += output[j];
    rows.push(row);
  }
  if (more) rows.push(output[count]);
  return rows;
}

function fits(ctx, output, start, base) {
  let total = output.length + start;
  if (total + output.length > ctx.breakLength) return false;
  for (const part of output) {
    total += ctx.colors ? stripColors(part).length : part.length;
    if (total > ctx.breakLength) return false;
  }
  return base === '' || !base.includes('\n');
}

// assemble joins the parts of a value, on one line if they are few and short.
function assemble(ctx, output, base, braces, isArray, recurseTimes, value) {
  const lead = base ? `${base} ` : '';
  if (ctx.compact !== true) {
    if (typeof ctx.compact === 'number' && ctx.compact >= 1) {
      const entries = output.length;
      if (isArray && entries > 6) output = columns(ctx, output, value);
      if (ctx.currentDepth - recurseTimes < ctx.compact && entries === output.length) {
        const start = output.length + ctx.indentationLvl + braces[0].length + base.length + 10;
        if (fits(ctx, output, start, base)) {
          const joined = output.join(', ');
          if (!joined.includes('\n')) return `${lead}${braces[0]} ${joined} ${braces[1]}`;
        }
      }
    }
    const indent = `\n${' '.repeat(ctx.indentationLvl)}`;
    return `${lead}${braces[0]}${indent}  ${output.join(`,${indent}  `)}${indent}${braces[1]}`;
  }
  if (fits(ctx, output, 0, base)) {
    return `${braces[0]}${base ? ` ${base}` : ''} ${output.join(', ')} ${braces[1]}`;
  }
  const indent = `\n${' '.repeat(ctx.indentationLvl)}`;
  const line = base === '' && braces[0].length === 1 ? ' ' : `${base ? ` ${base}` : ''}${indent}  `;
  return `${braces[0]}${line}${output.join(`,${indent}  `)} ${braces[1]}`;
}

module.exports = { stripColors, width, quote, assemble };
