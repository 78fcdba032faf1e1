// SPDX-License-Identifier: MIT
// The Inspector's command line: each run is one connection in one era.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import path from 'node:path';
import { test } from 'node:test';
import { isOverHttp, options, program, serverUrl, transportName } from './server.mjs';

const inspector = path.join(process.env.CLIENTS, 'npm', 'node_modules', '.bin', 'mcp-inspector');
const GUARD_MS = 120_000;

/** Runs the Inspector; answers its exit code, parsed stdout, and stderr. */
async function inspect(era, ...methodArguments) {
	const server = isOverHttp
		? ['--server-url', (await serverUrl()).href, '--transport', 'http']
		: ['--', program, ...options];
	const argv = ['--cli', '--protocol-era', era, ...methodArguments, '--format', 'json', ...server];
	return new Promise((resolve) => {
		execFile(inspector, argv, { timeout: GUARD_MS }, (error, stdout, stderr) => {
			resolve({ code: error ? error.code : 0, stdout, stderr });
		});
	});
}

function call(era, args) {
	return inspect(era, '--method', 'tools/call', '--tool-name', 'sandbox_exec',
		'--tool-args-json', JSON.stringify(args));
}

/** The answer may be wrapped in an envelope; the tool result is the object with `content`. */
function resultOf({ stdout }) {
	const parsed = JSON.parse(stdout);
	return parsed.content ? parsed : parsed.result;
}

for (const era of ['legacy', 'auto', 'modern']) {
	test(`Inspector, ${era}, ${transportName}: the tool passes the strict lint`, async () => {
		const run = await inspect(era, '--method', 'tools/list', '--strict');
		assert.equal(run.code, 0, run.stderr + run.stdout);
		assert.match(run.stdout, /"sandbox_exec"/);
	});

	test(`Inspector, ${era}, ${transportName}: a call answers`, async () => {
		const run = await call(era, { command: 'echo "$((6 * 7))"; exit 5' });
		assert.equal(run.code, 0, run.stderr + run.stdout);
		const result = resultOf(run);
		assert.equal(result.structuredContent.stdout, '42\n');
		assert.equal(result.structuredContent.exit_code, 5);
	});

	test(`Inspector, ${era}, ${transportName}: a wrong call is a tool error`, async () => {
		const run = await call(era, { working_directory: 'relative', command: 'pwd' });
		assert.equal(run.code, 5, run.stderr + run.stdout);
		assert.match(run.stdout + run.stderr, /working_directory must be an absolute path, got: relative/);
	});
}
