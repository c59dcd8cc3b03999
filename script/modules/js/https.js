'use strict';
// https: the client.

const http = require('http');
const { makeClient, noServer } = http[Symbol.for('brigade.http')];

function Agent(options) {
  if (!(this instanceof Agent)) return new Agent(options);
  http.Agent.call(this, options);
  this.defaultPort = 443;
  this.protocol = 'https:';
  this.maxCachedSessions = 100;
}
Object.setPrototypeOf(Agent.prototype, http.Agent.prototype);
Object.setPrototypeOf(Agent, http.Agent);

const globalAgent = new Agent({ keepAlive: true });
module.exports = {
  Agent, globalAgent, ...makeClient(globalAgent, { protocol: 'https:' }),
  createServer: noServer('https.createServer'),
  Server: function Server() { return noServer('https.Server')(); },
};
