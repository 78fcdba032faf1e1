// SPDX-License-Identifier: MIT
// What our parser understands, by the program that the build makes for it ($HTTP_UNDERSTOOD).

import { spawnSync } from 'node:child_process';

const BATCH_BYTES = 8 << 20;

/** Reads tests/http/transcript.h's text from lines[at]; answers [understood, next]. */
function readTranscript(lines, at) {
	const messages = [];
	for (;;) {
		const [word, ...rest] = lines[at++].split(' ');
		if (word === 'end') {
			const [end, status, ...reason] = rest;
			const unfinished = messages.at(-1)?.body === undefined ? messages.pop() : undefined;
			return [{ messages, unfinished, end, status, reason: reason.join(' ') }, at];
		}
		const message = messages.at(-1);
		if (word === 'message')
			messages.push({ method: rest[0], minor: Number(rest[1]), keeps: rest[2] === 'keep', fields: [] });
		else if (word === 'field') message.fields.push(`${rest[0]} ${rest.at(-1)}`);
		else message[word] = rest.at(-1);
	}
}

function understandBatch(inputs) {
	const framed = inputs.flatMap((bytes) => [Buffer.from(`${bytes.length}\n`), bytes]);
	const done = spawnSync(process.env.HTTP_UNDERSTOOD, {
		input: Buffer.concat(framed),
		maxBuffer: 1 << 30,
	});
	if (done.status !== 0)
		throw new Error(`${process.env.HTTP_UNDERSTOOD}: ${done.error ?? done.signal ?? done.status}`);
	const lines = done.stdout.toString('latin1').split('\n');
	const understood = [];
	for (let at = 0; at < lines.length - 1; ) {
		const [one, next] = readTranscript(lines, at);
		understood.push(one);
		at = next;
	}
	if (understood.length !== inputs.length) throw new Error('not every input was answered');
	return understood;
}

/** One answer for each input, as llhttp.mjs gives it. */
export function understandAll(inputs) {
	const understood = [];
	let batch = [];
	let bytes = 0;
	for (const input of inputs) {
		batch.push(input);
		bytes += input.length;
		if (bytes > BATCH_BYTES) {
			for (const one of understandBatch(batch)) understood.push(one);
			[batch, bytes] = [[], 0];
		}
	}
	for (const one of understandBatch(batch)) understood.push(one);
	return understood;
}
