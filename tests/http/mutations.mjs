// SPDX-License-Identifier: MIT
// Requests that are nearly right, made from right ones; the same ones in each run.

const BYTES = [
	0x00, 0x01, 0x09, 0x0a, 0x0b, 0x0d, 0x20, 0x22, 0x23, 0x25, 0x2b, 0x2c, 0x2d, 0x2f, 0x30, 0x3a, 0x3b,
	0x3f, 0x40, 0x41, 0x5c, 0x5f, 0x66, 0x7b, 0x7f, 0x80, 0xe9, 0xff,
];
const PARTS = [
	'\r\n', '\r\n\r\n', '\n', '\r', ' ', '\r\n ', 'Host: b\r\n', 'Content-Length: 5\r\n',
	'Content-Length: 0\r\n', 'Transfer-Encoding: chunked\r\n', 'Connection: close\r\n', '0\r\n\r\n',
	'5\r\nhello\r\n', ';a=b', 'HTTP/1.0', 'chunked', 'GET / HTTP/1.1\r\nHost: a\r\n\r\n', '00', 'http://b',
].map((text) => Buffer.from(text, 'latin1'));

function splice(bytes, at, removed, added) {
	return Buffer.concat([bytes.subarray(0, at), added, bytes.subarray(at + removed)]);
}

/** At every place: each of some bytes put there or instead, one left out, the rest cut off. */
export function* everywhere(bytes) {
	for (let at = 0; at <= bytes.length; at++) {
		yield bytes.subarray(0, at);
		yield splice(bytes, at, 1, Buffer.alloc(0));
		for (const byte of BYTES) {
			yield splice(bytes, at, 0, Buffer.from([byte]));
			yield splice(bytes, at, 1, Buffer.from([byte]));
		}
	}
	for (const part of PARTS) {
		for (let at = 0; at <= bytes.length; at++) yield splice(bytes, at, 0, part);
	}
}

/** Numbers below `limit`, the same ones for the same seed (a linear congruential generator). */
function randomBelow(seed) {
	let state = BigInt(seed);
	return (limit) => {
		state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffffffffffffffffn;
		return Number((state >> 33n) % BigInt(limit));
	};
}

function swapLines(bytes, below) {
	const lines = bytes.toString('latin1').split('\r\n');
	const [one, two] = [below(lines.length), below(lines.length)];
	[lines[one], lines[two]] = [lines[two], lines[one]];
	return Buffer.from(lines.join('\r\n'), 'latin1');
}

function mutate(bytes, others, below) {
	const at = below(bytes.length + 1);
	const operations = [
		() => splice(bytes, at, 0, Buffer.from([BYTES[below(BYTES.length)]])),
		() => splice(bytes, at, 1, Buffer.from([BYTES[below(BYTES.length)]])),
		() => splice(bytes, at, 1, Buffer.from([below(256)])),
		() => splice(bytes, at, 1 + below(4), Buffer.alloc(0)),
		() => splice(bytes, at, 0, PARTS[below(PARTS.length)]),
		() => splice(bytes, at, 0, bytes.subarray(below(bytes.length + 1)).subarray(0, 1 + below(40))),
		() => splice(bytes, at, bytes.length, others[below(others.length)]),
		() => swapLines(bytes, below),
	];
	return operations[below(operations.length)]();
}

/** `count` inputs, each one of `seeds` changed in one to three ways. */
export function* atRandom(seeds, count, seed) {
	const below = randomBelow(seed);
	for (let i = 0; i < count; i++) {
		let bytes = seeds[below(seeds.length)];
		for (let times = 1 + below(3); times > 0; times--) bytes = mutate(bytes, seeds, below);
		yield bytes;
	}
}
