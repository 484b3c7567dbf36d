/**
 * The tables of the view: the first byte of every key. What belongs to a flow has a 4-byte flow id in its
 * key (`root`: in its value), so that several settlements share one view. Key 0x00 belongs to the engine. Row layouts: docs/format.md.
 */
export const TABLES = {
	/** Format version, lane positions, counters. */
	meta: 0x01,
	/** txSeq -> submission: place in the flow, root, nodes, and the name of the upload that made it. */
	submission: 0x02,
	/** Data root -> its object (for one of a single record: its place and checksums), its submissions, its newest name. */
	root: 0x03,
	/** Object id -> object of several records: state, size, root. */
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
	/** Object id -> nothing: a deleted object of several records whose rows are being removed. */
	purge: 0x0c,
	/** Object id -> resumable upload that fills, or has filled, the object. */
	resumable: 0x0d,
	/** Object id -> places of the bytes behind the whole segments of an object that is being uploaded. */
	staged: 0x0e,
	/** (object id, segment) -> siblings on the way from a segment to the data root, where not all segments of the object are held. */
	segmentProof: 0x0f,
	/** (flow id, flow segment) -> its sealed copy: place, miner, contexts, which seals. */
	sealed: 0x10,
} as const;

/** Where the rows of a table begin and end. */
export function tableRange(table: number): { readonly from: Uint8Array; readonly to: Uint8Array } {
	return { from: Buffer.of(table), to: Buffer.of(table + 1) };
}
