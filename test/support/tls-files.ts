/** Two certificates that have signed themselves, for localhost and 127.0.0.1, with keys that are good for tests only. */
import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TlsTexts } from '../../src/api/tls-pair.js';

export type Pair = 'first' | 'second';

const DIRECTORY = fileURLToPath(new URL('../../../test/golden/tls/', import.meta.url));

export function certPath(pair: Pair): string {
	return join(DIRECTORY, `${pair}.cert.pem`);
}

function keyPath(pair: Pair): string {
	return join(DIRECTORY, `${pair}.key.pem`);
}

export function tlsTexts(pair: Pair): TlsTexts {
	return { cert: readFileSync(certPath(pair)), key: readFileSync(keyPath(pair)) };
}

/** Puts a pair where a node reads it. */
export function placePair(pair: Pair, into: { readonly cert: string; readonly key: string }): void {
	copyFileSync(certPath(pair), into.cert);
	copyFileSync(keyPath(pair), into.key);
}
