/** perigee.v1.Files: handlers for grpc-js, each over a function that answers or throws a PerigeeError. */
import type { Metadata, sendUnaryData, ServerUnaryCall, UntypedServiceImplementation } from '@grpc/grpc-js';
import type { GrpcContext } from './context.js';
import { download, type DownloadCall } from './download.js';
import { refuse } from './failure.js';
import type { FileInfoMessage, FileNameMessage, UploadResponseMessage } from './messages.js';
import { stat } from './stat.js';
import { upload, type UploadCall } from './upload.js';

type StatCall = ServerUnaryCall<FileNameMessage, FileInfoMessage> & { readonly metadata: Metadata };

export function filesService(context: GrpcContext): UntypedServiceImplementation {
	return {
		Upload(call: UploadCall, answer: sendUnaryData<UploadResponseMessage>) {
			upload(context, call).then(
				(result) => answer(null, result),
				(error: unknown) => refuse(context, call, error),
			);
		},
		Download(call: DownloadCall) {
			download(context, call).then(
				() => call.end(),
				(error: unknown) => refuse(context, call, error),
			);
		},
		Stat(call: StatCall, answer: sendUnaryData<FileInfoMessage>) {
			stat(context, call.request).then(
				(info) => answer(null, info),
				(error: unknown) => refuse(context, call, error),
			);
		},
	};
}
