/**
 * How many bytes one token may upload in a window of time. Bytes are charged before they are taken: those of an announced body when its
 * request comes, those of a chunked one as they arrive, so that uploads side by side cannot pass it together. Kept in memory: a restart
 * begins a new window.
 */
import { PerigeeError } from '../../errors.js';
import type { Clock } from '../../io/clock.js';
import type { UploadSession } from '../../log-layer/types.js';
import { withExtras } from '../rest/problem.js';

export interface QuotaOptions {
	readonly maxBytes: number;
	readonly windowMs: number;
	readonly clock: Clock;
}

export class ByteQuota {
	readonly #options: QuotaOptions;
	#window = 0;
	#endsMs = Number.NEGATIVE_INFINITY;
	#usedBytes = 0;

	constructor(options: QuotaOptions) {
		this.#options = options;
	}

	/** What an upload begins with; `announcedBytes` of its body, 0 when it does not tell. Errors: QUOTA_EXCEEDED. */
	begin(announcedBytes: number): UploadAllowance {
		this.charge(announcedBytes);
		return new UploadAllowance(this, announcedBytes, this.#window);
	}

	/** Errors: QUOTA_EXCEEDED, and nothing is charged. */
	charge(bytes: number): void {
		const { maxBytes, windowMs, clock } = this.#options;
		const nowMs = clock.monotonicMs();
		if (nowMs >= this.#endsMs) {
			this.#window += 1;
			this.#endsMs = nowMs + windowMs;
			this.#usedBytes = 0;
		}
		if (this.#usedBytes + bytes <= maxBytes) {
			this.#usedBytes += bytes;
			return;
		}
		const seconds = Math.ceil((this.#endsMs - nowMs) / 1000);
		const what = `${this.#usedBytes} of ${maxBytes} bytes are used or announced; the next window begins in ${seconds} s.`;
		throw withExtras(new PerigeeError('QUOTA_EXCEEDED', what), { headers: ['Retry-After', String(seconds)] });
	}

	/** Gives back what was charged in a window, if that is still the present one. */
	refund(bytes: number, window: number): void {
		if (window === this.#window) this.#usedBytes -= bytes;
	}
}

/** Where the bytes of an upload go, counted against its part of a quota, if there is one. Errors of a write: QUOTA_EXCEEDED, those of the sink. */
export function metered(allowance: UploadAllowance | undefined, sink: UploadSink): UploadSink {
	if (allowance === undefined) return sink;
	return {
		write(chunk, isGiven) {
			allowance.take(chunk.length);
			return sink.write(chunk, isGiven);
		},
	};
}

export type UploadSink = Pick<UploadSession, 'write'>;

/** One upload's part of a quota. */
export class UploadAllowance {
	readonly #quota: ByteQuota;
	readonly #window: number;
	#chargedBytes: number;
	#takenBytes = 0;

	constructor(quota: ByteQuota, chargedBytes: number, window: number) {
		this.#quota = quota;
		this.#chargedBytes = chargedBytes;
		this.#window = window;
	}

	/** Counts bytes that have arrived. Errors: QUOTA_EXCEEDED when they pass what was announced and what is left. */
	take(bytes: number): void {
		const beyond = this.#takenBytes + bytes - this.#chargedBytes;
		if (beyond > 0) {
			this.#quota.charge(beyond);
			this.#chargedBytes += beyond;
		}
		this.#takenBytes += bytes;
	}

	/** The request is over: what was announced and never came is given back. */
	settle(): void {
		this.#quota.refund(this.#chargedBytes - this.#takenBytes, this.#window);
		this.#chargedBytes = this.#takenBytes;
	}
}
