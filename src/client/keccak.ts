/* oxlint-disable typescript/no-non-null-assertion -- every index lies inside of an array of fixed length */
/** Keccak-256 as Ethereum has it (padding 0x01), on 32-bit halves of the lanes: small, and quick enough for a page. */

const RATE_BYTES = 136;
const HASH_BYTES = 32;
const ROUNDS = 24;
const LANES = 25;

/** Step of ρ and π number t: where the lane goes, and by how much it turns. */
const TARGETS = new Int32Array(ROUNDS);
const TURNS = new Int32Array(ROUNDS);
/** Round constants of ι, low and high halves. */
const CONSTANTS = new Uint32Array(2 * ROUNDS);

for (let t = 0, x = 1, y = 0; t < ROUNDS; t++) {
	[x, y] = [y, (2 * x + 3 * y) % 5];
	TARGETS[t] = 2 * (x + 5 * y);
	TURNS[t] = (((t + 1) * (t + 2)) / 2) % 64;
}
for (let bit = 0, register = 1; bit < 7 * ROUNDS; bit++) {
	const place = 2 ** (bit % 7) - 1;
	const half = 2 * Math.floor(bit / 7) + (place > 31 ? 1 : 0);
	if (register & 1) CONSTANTS[half] = (CONSTANTS[half] as number) ^ (1 << (place % 32));
	register = (register << 1) ^ (register & 0x80 ? 0x171 : 0);
}

const state = new Int32Array(2 * LANES);
const columns = new Int32Array(10);

/** Keccak-f[1600]. Lane (x, y) is the pair of halves at 2 (x + 5 y), the low one first. */
function permute(): void {
	const s = state;
	const c = columns;
	for (let round = 0; round < 2 * ROUNDS; round += 2) {
		// θ
		for (let i = 0; i < 10; i++) c[i] = s[i]! ^ s[i + 10]! ^ s[i + 20]! ^ s[i + 30]! ^ s[i + 40]!;
		for (let i = 0, before = 8, after = 2; i < 10; before = i, i += 2, after = after === 8 ? 0 : after + 2) {
			const low = c[before]! ^ ((c[after]! << 1) | (c[after + 1]! >>> 31));
			const high = c[before + 1]! ^ ((c[after + 1]! << 1) | (c[after]! >>> 31));
			s[i]! ^= low;
			s[i + 1]! ^= high;
			s[i + 10]! ^= low;
			s[i + 11]! ^= high;
			s[i + 20]! ^= low;
			s[i + 21]! ^= high;
			s[i + 30]! ^= low;
			s[i + 31]! ^= high;
			s[i + 40]! ^= low;
			s[i + 41]! ^= high;
		}
		// ρ and π; a turn by more than 31 is one of swapped halves, and none is by a multiple of 32.
		for (let t = 0, low = s[2]!, high = s[3]!; t < ROUNDS; t++) {
			const turn = TURNS[t]!;
			const isFar = turn >> 5;
			const target = TARGETS[t]!;
			const first = (low << turn) | (high >>> -turn);
			const second = (high << turn) | (low >>> -turn);
			low = s[target]!;
			high = s[target + 1]!;
			s[target + isFar] = first;
			s[target + 1 - isFar] = second;
		}
		// χ, of a row's low halves and then of its high ones
		for (let y = 0; y < 50; y += y % 10 ? 9 : 1) {
			const a = s[y]!;
			const b = s[y + 2]!;
			const d = s[y + 4]!;
			const e = s[y + 6]!;
			const f = s[y + 8]!;
			s[y] = a ^ (~b & d);
			s[y + 2] = b ^ (~d & e);
			s[y + 4] = d ^ (~e & f);
			s[y + 6] = e ^ (~f & a);
			s[y + 8] = f ^ (~a & b);
		}
		// ι
		s[0]! ^= CONSTANTS[round]!;
		s[1]! ^= CONSTANTS[round + 1]!;
	}
}

/** The last block of a message, padded. */
const end = new DataView(new ArrayBuffer(RATE_BYTES));

/** Keccak-256, 32 bytes. */
export function keccak256(data: Uint8Array): Uint8Array<ArrayBuffer> {
	const whole = data.length - (data.length % RATE_BYTES);
	const padded = new Uint8Array(end.buffer);
	padded.fill(0).set(data.subarray(whole));
	padded[data.length - whole] = 0x01;
	padded[RATE_BYTES - 1]! |= 0x80;
	const message = new DataView(data.buffer, data.byteOffset);
	state.fill(0);
	for (let at = 0; at <= whole; at += RATE_BYTES) {
		for (let i = 0; i < RATE_BYTES; i += 4)
			state[i >> 2]! ^= at < whole ? message.getInt32(at + i, true) : end.getInt32(i, true);
		permute();
	}
	const hash = new DataView(new ArrayBuffer(HASH_BYTES));
	for (let i = 0; i < HASH_BYTES; i += 4) hash.setInt32(i, state[i >> 2]!, true);
	return new Uint8Array(hash.buffer);
}
