/** Resolves when a request takes more of its body, or is over. */
export function drained(outgoing: NodeJS.EventEmitter): Promise<void> {
	return new Promise((resolve) => {
		const done = (): void => {
			outgoing.off('drain', done);
			outgoing.off('close', done);
			resolve();
		};
		outgoing.on('drain', done);
		outgoing.on('close', done);
	});
}
