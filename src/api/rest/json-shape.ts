/** The shape of a JSON text, before it is parsed: what a hostile one would cost. */

const [QUOTE, COMMA, OPEN_LIST, ESCAPE, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [
	0x22, 0x2c, 0x5b, 0x5c, 0x5d, 0x7b, 0x7d,
] as const;

export interface JsonShape {
	/** How deep lists and objects may stand in each other. */
	readonly depth: number;
	/** How many of them there may be. */
	readonly groups: number;
}

/** Whether the lists and objects of a JSON text (UTF-8) keep to the bounds. Where it is no JSON any more, its parser stops as well. */
export function isJsonWithin(text: Uint8Array, { depth, groups }: JsonShape): boolean {
	let [open, seen] = [0, 0];
	let isInText = false;
	for (let at = 0; at < text.length; at++) {
		const byte = text[at] as number;
		if (byte === ESCAPE) at++;
		else if (byte === QUOTE) isInText = !isInText;
		else if (isInText || byte <= COMMA) continue;
		else if (byte === OPEN_LIST || byte === OPEN_OBJECT) {
			if (++open > depth || ++seen > groups) return false;
		} else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) open--;
	}
	return true;
}
