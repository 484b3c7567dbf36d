/** The methods that are served, by their paths: how they are counted and bounded, and who may call them. */
import type { Deed } from '../auth/access.js';

export interface MethodRule {
	/** Label of the metrics. */
	readonly name: string;
	/**
	 * Files are moved by a bounded number of calls, segments by fewer, which are whole in memory; `side` calls, some of which wait for hours for
	 * news, have a bound of their own, and a stop does not wait for them.
	 */
	readonly kind: 'files' | 'segments' | 'side';
	/** What a caller must be allowed to; `open`: everybody may. */
	readonly scope: Deed | 'open';
}

const files = (name: string, scope: Deed): MethodRule => ({ name, kind: 'files', scope });
const side = (name: string): MethodRule => ({ name, kind: 'side', scope: 'open' });

export const METHODS: Readonly<Record<string, MethodRule>> = {
	'/perigee.v1.Files/Upload': files('Upload', 'write'),
	'/perigee.v1.Files/Download': files('Download', 'read'),
	'/perigee.v1.Files/Stat': files('Stat', 'read'),
	'/zgs_grpc.ZgsGrpcService/Ping': side('Ping'),
	'/zgs_grpc.ZgsGrpcService/UploadSegmentsByTxSeq': {
		name: 'UploadSegmentsByTxSeq',
		kind: 'segments',
		scope: 'segments',
	},
	'/grpc.health.v1.Health/Check': side('Health.Check'),
	'/grpc.health.v1.Health/List': side('Health.List'),
	'/grpc.health.v1.Health/Watch': side('Health.Watch'),
	'/grpc.reflection.v1.ServerReflection/ServerReflectionInfo': side('Reflection'),
	'/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo': side('Reflection'),
};

/** For a method that is added to the server and forgotten here. */
export const OTHER_METHOD: MethodRule = side('other');
