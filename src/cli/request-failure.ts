/** What the client library throws, as the command line tells it. */
import { RequestError } from '../client/request.js';
import { CliError, type ExitName } from './exit-codes.js';
import { printable } from './printable.js';

/** A RequestError with its exit code; anything else as it is. */
export function asCliFailure(error: unknown): unknown {
	if (!(error instanceof RequestError)) return error;
	// Words of a node, which may be anybody's.
	const [message, hint, code] = [error.message, error.hint, error.code].map((text) => text && printable(text));
	return new CliError(exitOf(error), message ?? '', {
		...(hint === undefined ? {} : { hint }),
		...(code === undefined || NO_NODE_CODE.test(code) ? {} : { code }),
	});
}

/** Codes that no node has sent. */
const NO_NODE_CODE = /^(?:UNREACHABLE$|UNREADABLE$|HTTP_)/;

function exitOf({ code, status }: RequestError): ExitName {
	if (code === 'UNREACHABLE') return 'unreachable';
	// Refused before it was sent.
	if (code === 'BAD_NAME') return 'refused';
	if (status === 404 || status === 410) return 'notFound';
	if (status === 408 || status === 429 || status === 503 || status === 507) return 'busy';
	return status >= 400 && status < 500 ? 'refused' : 'failure';
}
