/**
 * Keeps the memory of received bodies small. node:http copies each piece of a body into a buffer outside the JavaScript heap; the engine sees
 * only the small objects that own them and collects them late, after some 32 MiB. A collection of the young generation alone, after each
 * 8 MiB of bodies, takes about a millisecond and gives their memory back.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { LIMITS } from '../../limits.js';

type Collect = (options: { readonly type: 'minor' }) => void;

let collect: Collect | undefined;
let bytesSince = 0;

/** Counts bytes of a body that have come and are, or soon will be, no longer needed. */
export function countBody(bytes: number): void {
	bytesSince += bytes;
	if (bytesSince < LIMITS.bodyBytesBetweenCollections) return;
	bytesSince = 0;
	collect ??= youngCollector();
	collect({ type: 'minor' });
}

function youngCollector(): Collect {
	setFlagsFromString('--expose-gc');
	return runInNewContext('gc') as Collect;
}
