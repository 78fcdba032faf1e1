// SPDX-License-Identifier: MIT
// Where our parser of requests and node's (llhttp, strict) disagree, and why that is right. What is
// not in one of these tables fails the test; so does an entry that nothing needs any more.

// RFC 9112 does not know HTTP/0.9: a line without a version.
const isVersion09 = (ours, theirs) =>
	(theirs.messages[ours.messages.length] ?? theirs.unfinished)?.minor === 9;

/** What we refuse and node takes: the sentence with which we refuse, when not always, and the reason. */
export const stricter = [
	// The first line.
	{
		reason: 'Empty lines stand before the request.',
		why: 'RFC 9112 section 2.2 wants one tolerated, with CRLF; node skips any number of CR and LF.',
	},
	{
		reason: 'The first line is not METHOD TARGET HTTP/1.1.',
		holds: isVersion09,
		why: 'node takes a line without a version for HTTP/0.9.',
	},
	{
		reason: 'The first line does not end with an HTTP version.',
		holds: isVersion09,
		why: 'The same, with two spaces in it.',
	},
	{
		reason: 'A line ends with LF alone, not with CRLF.',
		holds: isVersion09,
		why: 'The same, and node lets such a line end with LF.',
	},
	{
		reason: 'The request target is not a valid path or http URL.',
		why: 'Only what RFC 3986 allows, and one space; node takes fragments, other schemes, stray percent signs.',
	},
	{
		reason: 'The request target is too long.',
		why: 'Our bound of the first line is 8 KiB; node has one of 16 KiB for the whole head.',
	},
	{
		reason: 'Only HTTP/1.1 and HTTP/1.0 are spoken here.',
		why: 'node takes 0.9 and 2.0 in an HTTP/1 request too.',
	},
	{
		reason: 'This server is no proxy.',
		why: 'What follows a CONNECT is not HTTP; node leaves that to its server.',
	},

	// Fields.
	{
		reason: 'There is no Host.',
		why: 'RFC 9112 section 3.2 demands it; node checks it in its server, not in its parser.',
	},
	{
		reason: 'There is more than one Host.',
		why: 'RFC 9112 section 3.2; node takes the first, and others take the last.',
	},
	{
		reason: 'Host is not HOST or HOST:PORT.',
		why: 'RFC 9112 section 3.2; node never looks at the value.',
	},
	{
		reason: 'Host is not the one of the request target.',
		why: 'RFC 9112 section 3.2.2 demands that clients send the same; a proxy may have judged the other one.',
	},
	{
		reason: 'There are too many header fields.',
		why: 'Our bound is 100; node drops what is over 2000.',
	},
	{
		reason: 'The only expectation met here is 100-continue.',
		why: 'RFC 9110 section 10.1.1: answered with 417; node does so in its server, not in its parser.',
	},

	// How bodies are framed.
	{
		reason: 'Content-Length begins with a zero.',
		why: 'No sender pads, and some readers take such numbers for octal.',
	},
	{
		reason: 'HTTP/1.0 has no Transfer-Encoding.',
		why: 'RFC 9112 section 6.1: faulty framing; a proxy of HTTP/1.0 forwards it without understanding it.',
	},
	{
		reason: 'The only transfer coding known here is chunked.',
		why: 'RFC 9112 section 6.1: answered with 501; node would hand on a body that is still compressed.',
	},
	{
		reason: 'There is more than one Transfer-Encoding.',
		why: 'Some readers take the first, some the last; node joins them and looks how the list ends.',
	},
	{
		reason: 'There is a tab in Transfer-Encoding.',
		why: 'No sender puts one there; node refuses it behind the value, and takes it before the value.',
	},

	// Chunks.
	{
		reason: 'The body is too large.',
		why: 'A body may have 16 MiB; node would wait for all of it.',
	},
	{
		reason: 'A chunk is larger than any body.',
		why: 'A size has at most 16 digits; node takes any number of zeros.',
	},
	{
		reason: 'A line of the chunked body is too long.',
		why: 'Extensions are bounded; node bounds only all of a body.',
	},
	{
		reason: 'The chunk extensions are too long.',
		why: 'Ours may have 4 KiB in one body; node lets them have 16 KiB.',
	},
	{
		reason: 'A chunk extension is not NAME or NAME=VALUE.',
		why: 'RFC 9112 section 7.1.1; node takes empty names too. No client sends any extension.',
	},
	{
		reason: 'A trailer belongs into the head.',
		why: 'RFC 9110 section 6.5.1: no Host there; node refuses Content-Length and Transfer-Encoding only.',
	},
	{
		reason: 'The trailers are too long.',
		why: 'Ours may have 4 KiB; node lets them have 16 KiB.',
	},
];

/** What we take and node refuses: node's code, which of those inputs, and the reason. */
export const laxer = [
	{
		code: 'HPE_INVALID_METHOD',
		// Nothing behind such a request is read.
		holds: (ours) =>
			ours.unfinished?.method === 'OTHER' ||
			(ours.end === 'closed' && ours.messages.at(-1).method === 'OTHER'),
		why:
			'A method may be any token (RFC 9110 section 9.1), and one that is not served is answered with ' +
			'405, not with 400. It changes nothing of how the request is framed, and the connection is closed.',
	},
];

/** All others are one to us. */
export const OUR_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'];

const connectionHas = (request, option) =>
	request.fields.some((field) => {
		const [name, value] = field.split(' ').map((text) => Buffer.from(text, 'hex').toString('latin1'));
		return name.toLowerCase() === 'connection' && value.toLowerCase().includes(option);
	});

/** The requests, as node understands them, behind which we close a connection that node keeps. */
export const closing = [
	{
		holds: (request) => !OUR_METHODS.includes(request.method),
		why:
			'A method that is unknown here may be the rest of a request that somebody else saw end earlier: ' +
			'nothing behind it is read.',
	},
	{
		holds: (request) => connectionHas(request, 'close') && connectionHas(request, 'keep-alive'),
		why: 'RFC 9112 section 9.3: close is looked at first; node keeps a connection of HTTP/1.0 then.',
	},
];
