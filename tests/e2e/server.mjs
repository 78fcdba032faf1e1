// SPDX-License-Identifier: MIT
// The server under test: the environment names the program and its options.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import readline from 'node:readline';
import { after } from 'node:test';

export const program = process.env.PROGRAM;
export const options = (process.env.SERVER_OPTIONS ?? '').split(' ').filter(Boolean);
export const isOverHttp = process.env.TRANSPORT === 'http';
export const transportName = isOverHttp ? 'HTTP' : 'stdio';

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

let server, started;

// Asked for here, it waits for the whole file; inside a test it would wait for that test.
after(async () => {
	if (!server || server.exitCode !== null) return;
	const ended = once(server, 'exit');
	server.kill();
	await ended;
});

/** The URL of a server over HTTP: one for all tests of a file, ended with them. */
export function serverUrl() {
	started ??= new Promise((resolve, reject) => {
		const argv = ['--transport=http', '--port=0', '--log-format=json', ...options];
		server = spawn(program, argv, { stdio: ['ignore', 'ignore', 'pipe'] });
		server.once('exit', (code) => reject(new Error(`the server ended with ${code}`)));
		readline.createInterface({ input: server.stderr }).on('line', (line) => {
			const { event, url } = JSON.parse(line);
			if (event === 'listening') resolve(new URL(url));
		});
	});
	return started;
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
