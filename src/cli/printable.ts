/** Text of strangers: nothing of it may steer the terminal. */
export function printable(text: string): string {
	return text.replaceAll(/[\p{Cc}\p{Cf}]/gu, '\ufffd');
}
