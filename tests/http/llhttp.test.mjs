// SPDX-License-Identifier: MIT
// Our parser of requests against node's: every input is taken or refused by both, and understood alike,
// but for what differences.mjs lists with its reason.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

import { OUR_METHODS, closing, laxer, stricter } from './differences.mjs';
import { understand } from './llhttp.mjs';
import { atRandom, everywhere } from './mutations.mjs';
import { understandAll } from './ours.mjs';

const corpus = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', 'fuzz', 'corpus', 'http');
const names = readdirSync(corpus).sort();
const seeds = names.map((name) => readFileSync(path.join(corpus, name)));
const RANDOM_INPUTS = 200_000;
const RANDOM_SEED = 20_260_728;
// Of these, every place is tried.
const THOROUGH = ['mcp-request', 'chunked-extensions', 'chunked-trailers', 'absolute-form', 'pipelined'];
// A longer one only repeats itself.
const SEED_MAX_BYTES = 600;
const ENDED_LINE = Buffer.from('\r\n\r\n');

const seen = new Set();

function isListed(rule) {
	if (rule) seen.add(rule);
	return rule !== undefined;
}

/** Whether we close the connection behind a request and node does not, as is listed. */
function isCutShort(ours, theirs) {
	return !ours.keeps && theirs.keeps && isListed(closing.find((rule) => rule.holds(theirs)));
}

function isSame(ours, theirs) {
	return (
		ours.method === (OUR_METHODS.includes(theirs.method) ? theirs.method : 'OTHER') &&
		(ours.keeps === theirs.keeps || isCutShort(ours, theirs)) &&
		['host', 'path', 'query', 'minor', 'body'].every((part) => ours[part] === theirs[part]) &&
		ours.fields.join('\n') === theirs.fields.join('\n')
	);
}

/** The name of a difference, '' if there is none. */
function difference(ours, theirs) {
	const both = Math.min(ours.messages.length, theirs.messages.length);
	for (let i = 0; i < both; i++) {
		if (!isSame(ours.messages[i], theirs.messages[i])) return `request ${i + 1} is understood differently`;
	}
	if (both > 0 && both === ours.messages.length && isCutShort(ours.messages[both - 1], theirs.messages[both - 1]))
		return '';
	const isOursMore = ours.messages.length > theirs.messages.length;
	const isTheirsMore = ours.messages.length < theirs.messages.length;
	if (ours.end === theirs.end && !isOursMore && !isTheirsMore) return '';
	if (ours.end === 'bad' && !isOursMore) {
		const isThis = (rule) => rule.reason === ours.reason && (rule.holds?.(ours, theirs) ?? true);
		return isListed(stricter.find(isThis)) ? '' : `only we refuse: ${ours.reason}`;
	}
	if (theirs.end === 'bad' && !isTheirsMore) {
		const isThis = (rule) => rule.code === theirs.reason && rule.holds(ours, theirs);
		return isListed(laxer.find(isThis)) ? '' : `only node refuses: ${theirs.reason}`;
	}
	return `we end with "${ours.end}", node with "${theirs.end}"`;
}

/** One line for each kind of difference, with the first input that showed it. */
function compareAll(inputs) {
	const problems = new Map();
	const early = [];
	const compare = (input, ours, theirs) => {
		const found = difference(ours, theirs);
		if (found && !problems.has(found)) problems.set(found, JSON.stringify(input.toString('latin1')));
	};
	for (const [i, ours] of understandAll(inputs).entries()) {
		const theirs = understand(inputs[i]);
		const isWaiting = ours.end === 'more' || theirs.end === 'more';
		// One of them may judge a line before its end: it is ended, and they are asked again.
		if (ours.end !== theirs.end && ours.messages.length === theirs.messages.length && isWaiting)
			early.push(Buffer.concat([inputs[i], ENDED_LINE]));
		else compare(inputs[i], ours, theirs);
	}
	for (const [i, ours] of understandAll(early).entries()) compare(early[i], ours, understand(early[i]));
	return [...problems].map(([found, input]) => `${found}: ${input}`);
}

for (const [i, name] of names.entries()) {
	test(`both parsers agree on ${name}`, () => assert.deepEqual(compareAll([seeds[i]]), []));
}

for (const name of THOROUGH) {
	test(`both agree wherever ${name} is damaged`, (context) => {
		const inputs = [...everywhere(seeds[names.indexOf(name)])];
		context.diagnostic(`${inputs.length} inputs`);
		assert.deepEqual(compareAll(inputs), []);
	});
}

test(`both agree on ${RANDOM_INPUTS} inputs made at random`, () => {
	const short = seeds.filter((bytes) => bytes.length <= SEED_MAX_BYTES);
	assert.deepEqual(compareAll([...atRandom(short, RANDOM_INPUTS, RANDOM_SEED)]), []);
});

test('every difference that is listed exists', () => {
	const unseen = [...stricter, ...laxer].filter((rule) => !seen.has(rule));
	assert.deepEqual(unseen, []);
});
