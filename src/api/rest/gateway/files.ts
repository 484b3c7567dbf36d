/** GET /file: a file by its root or its submission, as an attachment. */
import { PerigeeError } from '../../../errors.js';
import { sendFile } from '../content.js';
import { ENDPOINTS } from '../definitions.js';
import { checkName } from '../names.js';
import { gatewayEndpoint, Reply } from './envelope.js';
import { type Cid, invalid, lenientRootOf, shown, u64Of, wholeFile } from './lookup.js';
import { queryOf } from './query.js';

export const gatewayFile = gatewayEndpoint(ENDPOINTS.gatewayFile, async (context, request, response) => {
	const query = queryOf(request);
	const cid = wantedOf(query);
	if (cid instanceof Reply) return cid;
	const name = nameOf(query);
	if (name instanceof Reply) return name;
	const file = await wholeFile(context.store, cid);
	if (file instanceof Reply) return file;
	const served = { ...file, name: name || file.name || file.root, disposition: 'attachment' } as const;
	await sendFile(context, request, response, served);
	return undefined;
});

/** The sequence number counts where both are given. */
function wantedOf(query: URLSearchParams): Cid | Reply {
	const [txSeq, root] = [query.get('txSeq'), query.get('root')];
	if (txSeq) return u64Of(txSeq) ?? invalid(unreadable(txSeq));
	if (!root) return invalid("Either 'root' or 'txSeq' must be provided");
	return lenientRootOf(root) ?? invalid(`"${shown(root)}" is no data root: 0x and 64 hexadecimal digits`);
}

/** In the words of the reference. */
function unreadable(txSeq: string): string {
	const reason = /^[0-9]+$/.test(txSeq) ? 'value out of range' : 'invalid syntax';
	return `strconv.ParseUint: parsing ${JSON.stringify(shown(txSeq))}: ${reason}`;
}

function nameOf(query: URLSearchParams): string | Reply {
	try {
		return checkName(query.get('name') ?? '');
	} catch (error) {
		if (error instanceof PerigeeError && error.code === 'BAD_NAME') return invalid(error.message);
		throw error;
	}
}
