/**
 * The tables of the view: the first byte of every key. All but `meta`, `object`, `segment`, `objectNode` and `setting` go on with a 4-byte
 * flow id, so that several settlements share one view. Key 0x00 belongs to the engine. Row layouts: docs/format.md.
 */
export const TABLES = {
	/** Format version, lane positions, counters. */
	meta: 0x01,
	/** txSeq -> submission: place in the flow, root, and for a file of one segment its place and checksums. */
	submission: 0x02,
	/** Data root -> its submissions and its object. */
	root: 0x03,
	/** Object id -> object: size, root, state, names. */
	object: 0x04,
	/** (object id, segment) -> place, root and block checksums of a segment. */
	segment: 0x05,
	/** (object id, level, index) -> node of the object's Merkle tree. */
	objectNode: 0x06,
	/** (level, index) -> complete subtree of the flow. */
	flowNode: 0x07,
	/** (data root, txSeq) -> nothing: the submissions of a root in order. */
	rootSeq: 0x08,
	/** Name -> last value of a setting. */
	setting: 0x09,
	/** Place -> bytes of a log file that are known to be damaged. */
	damage: 0x0a,
	/** (lane, file number) -> live and dead bytes of a log file. */
	fileStat: 0x0b,
} as const;

export type Table = keyof typeof TABLES;
