// What is current. A step is current when the contents of its inputs hash to what they were when it last succeeded, and
// every output still stands there with the size it had then. The record of a step is removed before the step runs and
// written after it succeeded, so that an interrupted build never passes for a finished one.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BuildFailure, buildDirectory, rootDirectory } from './common.mjs';
import { withProgress } from './run-tool.mjs';

const STATE_PATH = join(buildDirectory, 'state.json');

export class BuildState {
	#records;

	static load() {
		const text = readIfPresent(STATE_PATH);
		if (text === undefined) return new BuildState({});
		try {
			return new BuildState(JSON.parse(text));
		} catch {
			// A torn or edited record only means that everything is built again.
			return new BuildState({});
		}
	}

	constructor(records) {
		this.#records = records;
	}

	isCurrent(step) {
		const record = this.#records[step.name];
		if (record?.inputs !== step.inputs()) return false;
		return Object.entries(record.outputs).every(([path, sizeBytes]) => sizeOf(path) === sizeBytes);
	}

	/** Runs the step and records it, or finds that it has already been done by other means. */
	async build(step) {
		// Taken before the work: a source that changes meanwhile makes the step stale again.
		const inputs = step.inputs();
		this.#record(step.name, undefined);
		if (!step.isDone?.()) await withProgress(step.title(), () => step.run());
		const outputs = {};
		for (const path of step.outputs()) {
			const sizeBytes = sizeOf(path);
			if (sizeBytes === undefined) throw new BuildFailure(`${step.name} ended well but did not make ${path}`);
			outputs[path] = sizeBytes;
		}
		this.#record(step.name, { inputs, outputs });
	}

	#record(name, record) {
		const { [name]: _, ...others } = this.#records;
		this.#records = record === undefined ? others : { ...others, [name]: record };
		mkdirSync(buildDirectory, { recursive: true });
		writeFileSync(`${STATE_PATH}.new`, JSON.stringify(this.#records));
		renameSync(`${STATE_PATH}.new`, STATE_PATH);
	}
}

/** Bytes of a file of the checkout, undefined when it is not there. */
function sizeOf(path) {
	return statSync(join(rootDirectory, path), { throwIfNoEntry: false })?.size;
}

/** Text of a file of the checkout (or of an absolute path), undefined when it is not there. */
export function readIfPresent(path) {
	try {
		return readFileSync(path, 'utf8');
	} catch (error) {
		if (error.code === 'ENOENT') return undefined;
		throw error;
	}
}

/** One hash over some texts and the paths and contents of some files of the checkout; a missing file counts as such. */
export function hashOf(texts, paths) {
	const hash = createHash('sha256').update(JSON.stringify(texts));
	for (const path of paths) {
		const content = readIfPresent(join(rootDirectory, path));
		hash.update(content === undefined ? `\0${path}\0missing` : `\0${path}\0${content.length}\0${content}`);
	}
	return hash.digest('hex');
}

/** The files below a folder of the checkout whose path `accepts`, as sorted paths from the top. None if there is no folder. */
export function filesBelow(folder, accepts) {
	if (sizeOf(folder) === undefined) return [];
	return readdirSync(join(rootDirectory, folder), { recursive: true, withFileTypes: true })
		.filter((entry) => entry.isFile())
		.map((entry) => join(entry.parentPath, entry.name).slice(rootDirectory.length + 1))
		.filter(accepts)
		.sort();
}
