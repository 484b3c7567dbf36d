/** The certificate of the node's listeners, read now and whenever its files change. */
import { TlsPair, type TlsTexts } from '../api/tls-pair.js';
import { about, refusal } from '../config/refusal.js';
import type { Config } from '../config/schema.js';
import { asPerigeeError } from '../errors.js';
import { readSmallFile, watchFiles } from '../io/small-file.js';
import { LIMITS } from '../limits.js';
import type { FileModules } from './access.js';

export interface NodeTls {
	/** Undefined where the listeners speak plain HTTP. */
	readonly pair: TlsPair | undefined;
	readonly close: () => void;
}

/** Errors: CONFIG_INVALID when a file is missing or the two cannot be used together. */
export async function openTls({ config, metrics, log, clock }: FileModules): Promise<NodeTls> {
	const { cert, key } = config.tls;
	if (cert === '') return { pair: undefined, close: () => undefined };
	let pair: TlsPair | undefined;
	const tell = (taken: TlsPair): void => {
		metrics.tlsExpiresSeconds.set(taken.expiresMs / 1000);
		if (taken.expiresMs < clock.nowMs()) log.warn({ cert }, 'the certificate has expired');
	};
	const reread = async (): Promise<void> => {
		try {
			const texts = await readTexts(config);
			if (pair === undefined) return;
			pair.replace(texts);
			tell(pair);
			metrics.reloads.inc({ what: 'tls', outcome: 'taken' });
			log.info({ expires: new Date(pair.expiresMs).toISOString() }, 'certificate and key were read again');
		} catch (error) {
			metrics.reloads.inc({ what: 'tls', outcome: 'refused' });
			log.error({ reason: asPerigeeError(error).message }, 'certificate and key cannot be used; those before stay');
		}
	};
	const close = await watchFiles({ paths: [cert, key], intervalMs: LIMITS.fileLookMs, clock, onChange: reread });
	try {
		pair = new TlsPair(await readTexts(config));
		tell(pair);
		return { pair, close };
	} catch (error) {
		close();
		throw error;
	}
}

async function readTexts({ tls }: Config): Promise<TlsTexts> {
	return { cert: await readPem(tls, 'cert'), key: await readPem(tls, 'key') };
}

async function readPem(tls: Config['tls'], which: 'cert' | 'key'): Promise<Buffer> {
	const setting = `tls.${which}`;
	const path = tls[which];
	const bytes = await about([setting], () => readSmallFile(path, LIMITS.tlsFileBytes));
	if (bytes === undefined) throw refusal([setting], `${setting}: ${path}: no such file`);
	return bytes;
}
