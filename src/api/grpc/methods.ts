/** The methods that are served, by their paths: how they are counted and bounded. */

export interface MethodRule {
	/** Label of the metrics. */
	readonly name: string;
	/**
	 * Files are moved by a bounded number of calls; `side` calls, some of which wait for hours for news, have a bound of their own, and a
	 * stop does not wait for them.
	 */
	readonly kind: 'files' | 'side';
	/** Changes what is stored. */
	readonly writes: boolean;
}

const files = (name: string, writes = false): MethodRule => ({ name, kind: 'files', writes });
const side = (name: string): MethodRule => ({ name, kind: 'side', writes: false });

export const METHODS: Readonly<Record<string, MethodRule>> = {
	'/perigee.v1.Files/Upload': files('Upload', true),
	'/perigee.v1.Files/Download': files('Download'),
	'/perigee.v1.Files/Stat': files('Stat'),
	'/grpc.health.v1.Health/Check': side('Health.Check'),
	'/grpc.health.v1.Health/List': side('Health.List'),
	'/grpc.health.v1.Health/Watch': side('Health.Watch'),
	'/grpc.reflection.v1.ServerReflection/ServerReflectionInfo': side('Reflection'),
	'/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo': side('Reflection'),
};

/** For a method that is added to the server and forgotten here. */
export const OTHER_METHOD: MethodRule = side('other');
