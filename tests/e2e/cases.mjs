// SPDX-License-Identifier: MIT
// What every SDK and every era must see. An adapter connects one client:
//   connect() -> { listTools(), call(arguments, options), close(), pid, endSession(), isModern }
// where options are the SDK's own: signal, timeout, onprogress, resetTimeoutOnProgress; pid is the
// server's over stdio, and endSession() is there over HTTP.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually, isOverHttp, isRunning } from './server.mjs';

const OUTPUT_LIMIT = 2 * 1024 * 1024;

/** A connection whose calls go to one sandbox, whichever way the era names it. */
async function connected(connect, t) {
	const connection = await connect();
	t.after(() => connection.close());
	let sandboxId;
	async function exec(args, requestOptions) {
		const named = sandboxId ? { ...args, sandbox_id: sandboxId } : args;
		const result = await connection.call(named, requestOptions);
		assert.equal(result.isError ?? false, false, JSON.stringify(result.content));
		const answer = JSON.parse(result.content[0].text);
		assert.deepEqual(result.structuredContent, answer);
		if (connection.isModern) sandboxId ??= answer.sandbox_id;
		return answer;
	}
	// The sandbox exists and has a name before calls go out side by side.
	assert.equal((await exec({ command: 'true' })).exit_code, 0);
	return { connection, exec };
}

const cases = {
	async 'lists one tool with its schemas'(t, connect) {
		const { connection } = await connected(connect, t);
		const { tools } = await connection.listTools();
		assert.deepEqual(tools.map((tool) => tool.name), ['sandbox_exec']);
		const parameters = ['command', 'args', 'stdin', 'working_directory', 'timeout'];
		for (const name of parameters) assert.ok(tools[0].inputSchema.properties[name], name);
		assert.equal('sandbox_id' in tools[0].inputSchema.properties, connection.isModern);
		assert.equal(tools[0].outputSchema.type, 'object');
		assert.ok(tools[0].description.length < 1200);
	},

	async 'gives output, exit code and duration'(t, connect) {
		const { exec } = await connected(connect, t);
		const answer = await exec({ command: 'cat; echo bad >&2; exit 3', stdin: 'ünïcode\n' });
		assert.equal(answer.stdout, 'ünïcode\n');
		assert.equal(answer.stderr, 'bad\n');
		assert.equal(answer.exit_code, 3);
		assert.ok(Number.isInteger(answer.exec_duration_ms));
	},

	async 'keeps files between calls'(t, connect) {
		const { exec } = await connected(connect, t);
		await exec({ command: 'cat > kept', stdin: 'still here' });
		assert.equal((await exec({ args: ['cat', 'kept'] })).stdout, 'still here');
	},

	async 'ends a command at its timeout'(t, connect) {
		const { exec } = await connected(connect, t);
		const answer = await exec({ command: 'echo lost; sleep 1000', timeout: 1 });
		assert.equal(answer.exit_code, 124);
		assert.equal(answer.stdout, '');
		assert.match(answer.stderr, /^\[kilntainers: command timed out after 1s\]/);
	},

	async 'tells a wrong call in a tool error'(t, connect) {
		const { connection } = await connected(connect, t);
		const result = await connection.call({ command: 'true', args: ['true'] });
		assert.equal(result.isError, true);
		assert.match(result.content[0].text, /^Cannot provide both 'command' and 'args'\./);
	},

	async 'kills a cancelled command with its children'(t, connect) {
		const { exec } = await connected(connect, t);
		const cancel = new AbortController();
		const call = exec(
			{ command: 'sleep 1000 & echo $! $$ > pids; wait' },
			{ signal: cancel.signal },
		);
		await eventually('the command runs', async () => {
			return (await exec({ command: 'test -s pids' })).exit_code === 0;
		});
		cancel.abort();
		await assert.rejects(call);
		await eventually('the command is dead', async () => {
			const alive = 'for p in $(cat pids); do kill -0 $p 2>/dev/null && exit 0; done; exit 1';
			return (await exec({ command: alive })).exit_code === 1;
		});
	},

	async 'runs calls side by side'(t, connect) {
		const { exec } = await connected(connect, t);
		// Each waits for all the others: one after another they would never end.
		const meet = (name) => `touch met-${name}
			for i in $(seq 1000); do [ $(ls met-* | wc -l) = 5 ] && exit 0; sleep 0.02; done; exit 1`;
		const answers = await Promise.all(
			['a', 'b', 'c', 'd', 'e'].map((name) => exec({ command: meet(name) })),
		);
		assert.deepEqual(answers.map((answer) => answer.exit_code), [0, 0, 0, 0, 0]);
	},

	async 'passes big output whole, and too much with a notice'(t, connect) {
		const { exec } = await connected(connect, t);
		// At once, and late enough for an answer as a stream.
		for (const delay of [0, 1.2]) {
			const whole = await exec({
				command: `sleep ${delay}; head -c ${OUTPUT_LIMIT} /dev/zero | tr '\\0' x`,
			});
			assert.equal(whole.stdout.length, OUTPUT_LIMIT);
			assert.match(whole.stdout, /^x+$/);
		}
		const over = await exec({ command: `head -c ${OUTPUT_LIMIT + 1} /dev/zero | tr '\\0' x` });
		assert.equal(over.exit_code, 1);
		assert.equal(over.stdout, '');
		assert.match(over.stderr, /^\[kilntainers: output limit exceeded \(2097152 bytes\)/);
	},

	async 'progress keeps a long call alive'(t, connect) {
		const { exec } = await connected(connect, t);
		const told = [];
		const answer = await exec(
			{ command: 'sleep 24; echo done' },
			{
				timeout: 18_000, // progress comes about every 10 s; without it this ends the call
				resetTimeoutOnProgress: true,
				onprogress: (progress) => told.push(progress),
			},
		);
		assert.equal(answer.stdout, 'done\n');
		assert.ok(told.length >= 1);
		assert.ok(told.every((next, i) => i === 0 || next.progress > told[i - 1].progress));
	},

};

const overStdio = {
	async 'ends when its client goes'(t, connect) {
		const { connection } = await connected(connect, t);
		const { pid } = connection;
		assert.ok(isRunning(pid));
		await connection.close();
		await eventually('the server ends', () => !isRunning(pid));
	},
};

const overHttp = {
	async 'serves two clients, each with its own files'(t, connect) {
		const [first, second] = [await connected(connect, t), await connected(connect, t)];
		await first.exec({ command: 'cat > mine', stdin: 'first' });
		await second.exec({ command: 'cat > mine', stdin: 'second' });
		assert.equal((await first.exec({ command: 'cat mine' })).stdout, 'first');
		assert.equal((await second.exec({ command: 'cat mine' })).stdout, 'second');
	},

	async 'a session that was ended is not served'(t, connect) {
		const { connection, exec } = await connected(connect, t);
		if (connection.isModern) {
			t.skip('the modern era has no sessions');
			return;
		}
		await connection.endSession();
		await assert.rejects(exec({ command: 'true' }));
	},
};

/** Registers every case for one client. */
export function testAll(title, connect) {
	for (const [name, run] of Object.entries({ ...cases, ...(isOverHttp ? overHttp : overStdio) })) {
		test(`${title}: ${name}`, (t) => run(t, connect));
	}
}
