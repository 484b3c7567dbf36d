/** What somebody may have meant who wrote a word that is none. */

/** The candidate within a third of the word's length of changes, or undefined. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
	const lowered = word.toLowerCase();
	const last = (text: string) => text.slice(text.lastIndexOf('.') + 1);
	let best: string | undefined;
	let bestDistance = Math.max(1, Math.floor(last(lowered).length / 3)) + 1;
	for (const candidate of candidates) {
		const whole = distance(lowered, candidate.toLowerCase());
		// A key without its section is as near as the key itself, plus one.
		const found = word.includes('.') ? whole : Math.min(whole, distance(lowered, last(candidate).toLowerCase()) + 1);
		if (found < bestDistance) {
			best = candidate;
			bestDistance = found;
		}
	}
	return best;
}

/** Insertions, deletions, replacements and swaps of neighbours between two words. */
function distance(left: string, right: string): number {
	const rows = [Array.from({ length: right.length + 1 }, (_, index) => index)];
	const at = (row: number, column: number): number => rows[row]?.[column] ?? 0;
	for (let row = 1; row <= left.length; row++) {
		const current = [row];
		rows.push(current);
		for (let column = 1; column <= right.length; column++) {
			const differs = left[row - 1] === right[column - 1] ? 0 : 1;
			const swapped =
				row > 1 && column > 1 && left[row - 1] === right[column - 2] && left[row - 2] === right[column - 1];
			current[column] = Math.min(
				at(row - 1, column - 1) + differs,
				at(row - 1, column) + 1,
				at(row, column - 1) + 1,
				swapped ? at(row - 2, column - 2) + 1 : Number.POSITIVE_INFINITY,
			);
		}
	}
	return at(left.length, right.length);
}
