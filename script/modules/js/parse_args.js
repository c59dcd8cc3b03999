'use strict';
// util.parseArgs.

const { make, check, invalidArgValue } = require('internal/errors');

function mistake(code, message) { return make(TypeError, code, message); }

function findLong(options, short) {
  const found = Object.entries(options).find(([, o]) => o.short === short);
  return found ? found[0] : short;
}

function isString(options, name) { return Object.prototype.hasOwnProperty.call(options, name) && options[name].type === 'string'; }

// tokenize splits arguments into option, positional and terminator tokens.
function tokenize(args, options) {
  const tokens = [];
  const queue = args.map((value, index) => ({ value, index }));
  const option = (name, rawName, index, value, inlineValue) => tokens.push({ kind: 'option', name, rawName, index, value, inlineValue });
  while (queue.length > 0) {
    const { value: arg, index } = queue.shift();
    if (arg === '--') {
      tokens.push({ kind: 'option-terminator', index });
      for (const rest of queue.splice(0)) tokens.push({ kind: 'positional', index: rest.index, value: rest.value });
    } else if (/^-[^-]$/.test(arg)) {
      const name = findLong(options, arg[1]);
      if (isString(options, name) && queue.length > 0) option(name, arg, index, queue.shift().value, false);
      else option(name, arg, index, undefined, undefined);
    } else if (/^-[^-]./.test(arg)) {
      const name = findLong(options, arg[1]);
      if (isString(options, name)) option(name, `-${arg[1]}`, index, arg.slice(2), true);
      else {
        const expanded = [];
        for (let i = 1; i < arg.length; i++) {
          const long = findLong(options, arg[i]);
          if (!isString(options, long) || i === arg.length - 1) expanded.push(`-${arg[i]}`);
          else { expanded.push(`-${arg.slice(i)}`); break; }
        }
        queue.unshift(...expanded.map((value) => ({ value, index })));
      }
    } else if (/^--[^=]+=/.test(arg)) {
      const at = arg.indexOf('=');
      option(arg.slice(2, at), arg.slice(0, at), index, arg.slice(at + 1), true);
    } else if (/^--./.test(arg)) {
      const name = arg.slice(2);
      if (isString(options, name) && queue.length > 0) option(name, arg, index, queue.shift().value, false);
      else option(name, arg, index, undefined, undefined);
    } else tokens.push({ kind: 'positional', index, value: arg });
  }
  return tokens;
}

function checkStrict(token, config) {
  const known = Object.prototype.hasOwnProperty.call(config.options, token.name);
  if (!known) {
    throw mistake('ERR_PARSE_ARGS_UNKNOWN_OPTION', `Unknown option '${token.rawName}'${config.allowPositionals ?
      `. To specify a positional argument starting with a '-', place it at the end of the command after '--', as in '-- ${JSON.stringify(token.rawName)}` : ''}`);
  }
  const { type, short } = config.options[token.name];
  const shown = `${short ? `-${short}, ` : ''}--${token.name}`;
  if (type === 'string' && typeof token.value !== 'string') {
    throw mistake('ERR_PARSE_ARGS_INVALID_OPTION_VALUE', `Option '${shown} <value>' argument missing`);
  }
  if (type === 'boolean' && token.value != null) {
    throw mistake('ERR_PARSE_ARGS_INVALID_OPTION_VALUE', `Option '${shown}' does not take an argument`);
  }
  if (token.inlineValue === false && token.value.length > 1 && token.value.startsWith('-')) {
    throw mistake('ERR_PARSE_ARGS_INVALID_OPTION_VALUE', `Option '${token.rawName}' argument is ambiguous.
Did you forget to specify the option argument for '${token.rawName}'?
To specify an option argument starting with a dash use '${token.rawName.startsWith('--') ? `${token.rawName}=-XYZ` : `--${token.name}=-XYZ' or '${token.rawName}-XYZ`}'.`);
  }
}

function parseArgs(config = {}) {
  const { strict = true, tokens: wantTokens = false, options = {} } = config;
  const allowPositionals = config.allowPositionals === undefined ? !strict : config.allowPositionals;
  const args = config.args || require('process').argv.slice(2);
  check.array(args, 'args');
  check.boolean(strict, 'strict');
  check.object(options, 'options');
  for (const [name, o] of Object.entries(options)) {
    check.object(o, `options.${name}`);
    if (o.type !== 'string' && o.type !== 'boolean') throw make(TypeError, 'ERR_INVALID_ARG_TYPE', `The "options.${name}.type" property must be one of type string or boolean`);
    if (o.short !== undefined && o.short.length !== 1) throw invalidArgValue(`options.${name}.short`, o.short, 'must be a single character');
  }
  const values = Object.create(null), positionals = [];
  const tokens = tokenize(args.map(String), options);
  for (const token of tokens) {
    if (token.kind === 'option') {
      if (strict) checkStrict(token, { options, allowPositionals });
      if (token.name === '__proto__') continue;
      const value = token.value === undefined ? true : token.value;
      if (options[token.name] && options[token.name].multiple) (values[token.name] = values[token.name] || []).push(value);
      else values[token.name] = value;
    } else if (token.kind === 'positional') {
      if (!allowPositionals) {
        throw mistake('ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL', `Unexpected argument '${token.value}'. This command does not take positional arguments`);
      }
      positionals.push(token.value);
    }
  }
  for (const [name, o] of Object.entries(options)) {
    if (o.default !== undefined && values[name] === undefined) values[name] = o.default;
  }
  return wantTokens ? { values, positionals, tokens } : { values, positionals };
}

module.exports = { parseArgs };
