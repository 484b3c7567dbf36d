/** The messages of proto/perigee/v1/files.proto as they come out of the general reader and go into the general writer. */

/** 64-bit numbers come as decimal text. */
type U64Text = string;

export interface UploadOptionsMessage {
	readonly name: string;
	readonly contentType: string;
	readonly expectedRoot: string;
	readonly expectedSha256: Buffer;
	readonly announcedBytes: U64Text;
}

/** Which file; none of both when the client named none. */
export interface FileNameMessage {
	readonly root?: string;
	readonly txSeq?: U64Text;
}

export interface DownloadRequestMessage extends FileNameMessage {
	readonly offset: U64Text;
	readonly length: U64Text;
	/** A number when it is none of those that the protocol names. */
	readonly verify: string | number;
}

/** Numbers beyond 2^53 are written from decimal text. */
export interface UploadResponseMessage {
	readonly root: string;
	readonly txSeq?: number;
	readonly size: number;
	readonly segments: number;
	readonly existed: boolean;
	readonly pending?: PendingSubmissionMessage;
}

export interface PendingSubmissionMessage {
	readonly state: string;
	readonly chainId: number | string;
	readonly flow: string;
	readonly length: number | string;
	readonly nodes: readonly { readonly root: string; readonly height: number }[];
	readonly fee?: string;
	readonly transaction?: string;
	readonly trouble?: string;
}

export interface DownloadHeaderMessage {
	readonly root: string;
	readonly txSeq: number;
	readonly size: number;
	readonly offset: number;
	readonly length: number;
	readonly name: string;
	readonly contentType: string;
}

export interface FileInfoMessage {
	readonly root: string;
	readonly txSeq: number;
	readonly size: number;
	readonly segments: number;
	readonly segmentsPadded: number;
	readonly startSector: string;
	readonly paddedSectors: string;
	readonly finalized: boolean;
	readonly deleted: boolean;
	readonly heldSegments: number;
	readonly name: string;
	readonly contentType: string;
	readonly uploadedAtMs: number;
	readonly submitter: string;
	readonly tags: Uint8Array;
	readonly nodes: readonly { readonly root: string; readonly height: number }[];
}

/** One message of an upload. `unreadable`: why it is neither. */
export type UploadPart =
	| { readonly chunk: Buffer }
	| { readonly options: UploadOptionsMessage }
	| { readonly end: object }
	| { readonly unreadable: string };

/** One message of a download: the header, or an encoded chunk. */
export type DownloadPart = { readonly header: DownloadHeaderMessage } | Buffer;
