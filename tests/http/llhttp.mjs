// SPDX-License-Identifier: MIT
// What node's own parser, with no leniency, understands of a connection's bytes.

import { createRequire } from 'node:module';

const { HTTPParser } = createRequire(import.meta.url)('_http_common');
const { allMethods } = process.binding('http_parser');

const hex = (text) => Buffer.from(text, 'latin1').toString('hex');

/** The target as our parser would tell it: an absolute one split into host and path. */
function splitTarget(url) {
	const absolute = /^https?:\/\/([^/?]*)(.*)$/is.exec(url);
	const rest = absolute ? absolute[2].replace(/^(?=\?|$)/, '/') : url;
	const mark = rest.indexOf('?');
	return {
		host: absolute ? hex(absolute[1]) : undefined,
		path: hex(mark < 0 ? rest : rest.slice(0, mark)),
		query: mark < 0 ? '-' : hex(rest.slice(mark + 1)),
	};
}

function describe(head, body) {
	const fields = [];
	for (let i = 0; i + 1 < head.fields.length; i += 2)
		fields.push(`${hex(head.fields[i])} ${hex(head.fields[i + 1])}`);
	const host = head.fields.findIndex((text, i) => i % 2 === 0 && text.toLowerCase() === 'host');
	const target = splitTarget(head.url);
	return {
		...target,
		host: target.host ?? (host < 0 ? '-' : hex(head.fields[host + 1])),
		method: head.method,
		minor: head.minor,
		keeps: head.keeps,
		fields,
		body: Buffer.concat(body).toString('hex'),
	};
}

/** Reads into `messages`; answers how many bytes that took, or an error. */
function read(bytes, messages) {
	const parser = new HTTPParser();
	let fields = [];
	let url = '';
	let head;
	let body = [];
	parser.initialize(HTTPParser.REQUEST, {}, 0, HTTPParser.kLenientNone);
	// Called when there are more fields than fit, and for trailers.
	parser[HTTPParser.kOnHeaders] = (moreFields, moreUrl) => {
		if (head) return;
		fields.push(...moreFields);
		url += moreUrl;
	};
	parser[HTTPParser.kOnHeadersComplete] = (
		major, minor, lastFields, method, lastUrl, status, text, isUpgrade, keeps) => {
		fields.push(...(lastFields ?? []));
		head = { method: allMethods[method], minor, keeps, fields, url: lastUrl || url };
		return 0;
	};
	parser[HTTPParser.kOnBody] = (part) => {
		body.push(Buffer.from(part));
	};
	parser[HTTPParser.kOnMessageComplete] = () => {
		messages.push(describe(head, body));
		[fields, url, head, body] = [[], '', undefined, []];
	};

	const used = parser.execute(bytes);
	return { used, unfinished: head };
}

/** { messages, unfinished (without all of its body), end: 'more' | 'closed' | 'bad', reason } */
export function understand(bytes) {
	const messages = [];
	for (let at = 0; ; ) {
		const { used, unfinished } = read(bytes.subarray(at), messages);
		const isClosed = messages.length > 0 && !messages.at(-1).keeps && !unfinished;
		if (used instanceof Error) {
			const isBehindTheLast = used.code === 'HPE_CLOSED_CONNECTION' && isClosed;
			return { messages, unfinished, end: isBehindTheLast ? 'closed' : 'bad', reason: used.code };
		}
		at += used;
		// Where another protocol is asked for, an error is told in no other way.
		if (at < bytes.length && unfinished) return { messages, unfinished, end: 'bad', reason: 'upgrade' };
		// It stops behind a request that asks for another protocol. A server that offers none goes on.
		if (at === bytes.length || isClosed || messages.at(-1).method === 'CONNECT')
			return { messages, unfinished, end: isClosed ? 'closed' : 'more', reason: '' };
	}
}
