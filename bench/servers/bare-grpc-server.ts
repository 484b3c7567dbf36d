/**
 * What a node's gRPC is measured against: a server of grpc-js that stores nothing. Uploads are read and dropped, downloads send the same MiB again
 * and again. It speaks the messages of the node, has its windows, and decodes no more than it does.
 */
import { Server, ServerCredentials, type ServerReadableStream, type ServerWritableStream } from '@grpc/grpc-js';
import { encodeChunk } from '../../src/api/grpc/codec.js';
import { tuneHttp2 } from '../../src/api/grpc/http2-server.js';
import { loadServices } from '../../src/api/grpc/proto.js';
import { createServer, type AddressInfo } from 'node:net';
import { newPiece } from '../load/content.js';

const [sizeText = '0'] = process.argv.slice(2);
const CHUNK_BYTES = 256 * 1024;
const chunk = encodeChunk(newPiece().subarray(0, CHUNK_BYTES));
const { files, zgs } = await loadServices();
const server = new Server({ 'grpc.enable_channelz': 0, 'grpc.max_receive_message_length': 2 ** 22 });
const upload = zgs['UploadSegmentsByTxSeq'];
if (!upload) throw new Error('zgs_grpc takes no segments');
const asItIs = (message: Buffer): Buffer => message;
server.register(
	upload.path,
	(_call: object, answer: (error: null, value: object) => void) => answer(null, {}),
	(answer: object): Buffer => upload.responseSerialize(answer),
	asItIs,
	'unary',
);
server.addService(files, {
	Upload(
		call: ServerReadableStream<{ readonly chunk?: Buffer }, object>,
		answer: (error: null, value: object) => void,
	) {
		let size = 0;
		call.on('data', (part: { readonly chunk?: Buffer }) => (size += part.chunk?.length ?? 0));
		call.on('end', () => answer(null, { root: 'none', size }));
	},
	Download(call: ServerWritableStream<object, object>) {
		let left = Number(sizeText);
		const send = (): void => {
			while (left > 0) {
				left -= CHUNK_BYTES;
				if (!call.write(chunk)) {
					call.once('drain', send);
					return;
				}
			}
			call.end();
		};
		send();
	},
});
const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
tuneHttp2(server, () => undefined);
const listener = createServer({ noDelay: true }, (socket) => injector.injectConnection(socket));
listener.listen(0, '127.0.0.1', () => process.stdout.write(`${(listener.address() as AddressInfo).port}\n`));
process.on('SIGTERM', () => process.exit(0));
