/**
 * What grpc-js keeps to itself: the HTTP/2 server behind a gRPC server. It lets clients set the windows of flow control but not servers, and
 * with Node's 64 KiB an upload stands still once per round trip: 250 MB/s on loopback instead of 700. It also hides the streams, so that nobody
 * could end one whose client has stopped taking. Where a later grpc-js has no such field, calls work as before, only slower.
 */
import type { Server } from '@grpc/grpc-js';
import type { Http2Server, ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import { LIMITS } from '../../limits.js';

/** `onStream` is called for each stream just before its call is built. */
export function tuneHttp2(server: Server, onStream: (stream: ServerHttp2Stream) => void): void {
	const { http2Servers } = server as unknown as { readonly http2Servers?: ReadonlyMap<Http2Server, unknown> };
	for (const http2Server of http2Servers?.keys() ?? []) {
		http2Server.on('session', widen);
		http2Server.prependListener('stream', onStream);
	}
}

function widen(session: ServerHttp2Session): void {
	session.settings({ initialWindowSize: LIMITS.grpcWindowBytes, maxHeaderListSize: LIMITS.httpHeaderBytes });
	session.setLocalWindowSize(LIMITS.grpcWindowBytes);
}
