// SPDX-License-Identifier: MIT
// The TypeScript SDK, version 2: legacy, probing, and pinned to the modern revision.

import assert from 'node:assert/strict';
import { testAll } from './cases.mjs';
import { isOverHttp, load, options, program, serverUrl, transportName } from './server.mjs';

const { Client, StreamableHTTPClientTransport } = await load('@modelcontextprotocol/client');
const { StdioClientTransport } = await load('@modelcontextprotocol/client/stdio');

const MODERN = '2026-07-28';

function connector(mode, expectedRevision) {
	return async () => {
		const transport = isOverHttp
			? new StreamableHTTPClientTransport(await serverUrl())
			: new StdioClientTransport({ command: program, args: options, stderr: 'ignore' });
		const client = new Client(
			{ name: 'e2e', version: '1' },
			{ versionNegotiation: { mode } },
		);
		await client.connect(transport);
		assert.equal(client.getNegotiatedProtocolVersion(), expectedRevision);
		await client.listTools();
		return {
			isModern: expectedRevision === MODERN,
			pid: transport.pid,
			listTools: () => client.listTools(),
			call: (args, requestOptions) =>
				client.callTool({ name: 'sandbox_exec', arguments: args }, requestOptions),
			endSession: () => transport.terminateSession(),
			close: () => client.close(),
		};
	};
}

testAll(`TypeScript SDK v2, legacy, ${transportName}`, connector('legacy', '2025-11-25'));
testAll(`TypeScript SDK v2, auto, ${transportName}`, connector('auto', MODERN));
testAll(`TypeScript SDK v2, pinned, ${transportName}`, connector({ pin: MODERN }, MODERN));
