/** How hard it is to find an answer (spec pora-and-contracts §3.6). Targets: bigger is easier. */
const MOST = 2n ** 256n - 1n;
const MOST_SHIFTED = MOST >> 16n;

export interface DifficultyRule {
	readonly adjustRatio: number;
	readonly targetSubmissions: number;
	/** 0: no bound. */
	readonly minDifficulty: bigint;
}

export function targetOf(difficulty: bigint): bigint {
	return MOST / difficulty;
}

/** The target after an epoch that had so many answers. */
export function adjustedTarget(target: bigint, answers: number, rule: DifficultyRule): bigint {
	const shifted = target >> 16n;
	const expected = answers > 0 ? (shifted * BigInt(rule.targetSubmissions)) / BigInt(answers) : MOST_SHIFTED;
	const ratio = BigInt(rule.adjustRatio);
	let adjusted = (shifted * (ratio - 1n) + expected) / ratio;
	adjusted = least(adjusted, 2n * shifted);
	if (adjusted < shifted / 2n) adjusted = shifted / 2n;
	adjusted = least(adjusted, MOST_SHIFTED);
	return least(adjusted << 16n, rule.minDifficulty === 0n ? MOST : MOST / rule.minDifficulty);
}

function least(left: bigint, right: bigint): bigint {
	return left < right ? left : right;
}
