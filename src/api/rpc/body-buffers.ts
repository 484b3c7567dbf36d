/**
 * Memory for the bodies of calls that bring segments. It is used again and again: what is new to the process costs page faults, which took more
 * of the main thread's time than anything that is done with such a body.
 */
import { LIMITS } from '../../limits.js';
import { freeMemory } from '../../native/addon.js';

export class BodyBuffers {
	readonly #idle: Buffer[] = [];

	/** Room for `bytes`; what it holds is open. Give it back with `give`. */
	take(bytes: number): Buffer {
		if (bytes <= LIMITS.rpcSmallBodyBytes || bytes > LIMITS.rpcBodyBufferBytes) return Buffer.allocUnsafeSlow(bytes);
		const whole = this.#idle.pop() ?? Buffer.allocUnsafeSlow(LIMITS.rpcBodyBufferBytes);
		return whole.subarray(0, bytes);
	}

	/** Nobody looks at these bytes any more. */
	give(body: Buffer): void {
		const whole = Buffer.from(body.buffer);
		const isKept = whole.length === LIMITS.rpcBodyBufferBytes && this.#idle.length < LIMITS.rpcIdleBodies;
		if (isKept) this.#idle.push(whole);
		else freeMemory(whole);
	}
}
