// SPDX-License-Identifier: MIT
// The server under test: the environment names the program and its options.

import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import path from 'node:path';

export const program = process.env.PROGRAM;
export const options = (process.env.SERVER_OPTIONS ?? '').split(' ').filter(Boolean);

// The clients are installed outside the tree, in $CLIENTS/npm.
const modules = createRequire(path.join(process.env.CLIENTS, 'npm', 'package.json'));

/** The path of a file of an installed package. */
export function installed(name) {
	return modules.resolve(name);
}

/** Imports a module of an installed package. */
export async function load(name) {
	return import(installed(name));
}

export function isRunning(pid) {
	try {
		const status = readFileSync(`/proc/${pid}/stat`, 'utf8');
		return !status.slice(status.lastIndexOf(')')).startsWith(') Z');
	} catch {
		return false;
	}
}

/** Polls until `holds` answers true. The limit only guards against a hang. */
export async function eventually(what, holds, limitMs = 20_000) {
	const deadline = Date.now() + limitMs;
	while (!(await holds())) {
		if (Date.now() > deadline) throw new Error(`never happened: ${what}`);
		await new Promise((resolve) => setTimeout(resolve, 20));
	}
}
