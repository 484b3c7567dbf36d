/** How far a node has come. */

/** Submissions that it knows. */
export async function submissionsOf(port: number): Promise<number> {
	const answer = await fetch(`http://127.0.0.1:${port}/v1/flow`);
	return ((await answer.json()) as { readonly submissions: number }).submissions;
}
