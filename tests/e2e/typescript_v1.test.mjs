// SPDX-License-Identifier: MIT
// The TypeScript SDK, version 1: speaks the legacy eras only.

import { testAll } from './cases.mjs';
import { isOverHttp, load, options, program, serverUrl, transportName } from './server.mjs';

const { Client } = await load('@modelcontextprotocol/sdk/client/index.js');
const { StdioClientTransport } = await load('@modelcontextprotocol/sdk/client/stdio.js');
const { StreamableHTTPClientTransport } =
	await load('@modelcontextprotocol/sdk/client/streamableHttp.js');

async function connect() {
	const transport = isOverHttp
		? new StreamableHTTPClientTransport(await serverUrl())
		: new StdioClientTransport({ command: program, args: options, stderr: 'ignore' });
	const client = new Client({ name: 'e2e', version: '1' });
	await client.connect(transport);
	// The SDK checks structuredContent against the schema that this listed.
	await client.listTools();
	return {
		isModern: false,
		pid: transport.pid,
		listTools: () => client.listTools(),
		call: (args, requestOptions) =>
			client.callTool({ name: 'sandbox_exec', arguments: args }, undefined, requestOptions),
		endSession: () => transport.terminateSession(),
		close: () => client.close(),
	};
}

testAll(`TypeScript SDK v1, ${transportName}`, connect);
