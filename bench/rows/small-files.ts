/** Rows about many files of 4 KiB. */
import { atLeast, type Row } from '../row.js';
import type { ServerJob, ServerPair } from '../servers/pair.js';
import { withServers } from '../servers/pair.js';
import type { ServerProcess } from '../servers/processes.js';
import { compareServers } from './compare.js';

const FILE_BYTES = 4096;
const GET_CONNECTIONS = 16;
const GET_GOAL = 0.8;
const CHECKED_FILES = 100;

const requestsPerSecond = ({ requests, seconds }: { requests: number; seconds: number }): number => requests / seconds;

function putRow(connections: number, goal: number): Row {
	return {
		id: `put-small-${connections}`,
		title: `durable 4-KiB PUTs, ${connections} connections`,
		measure: (context) =>
			withServers(context, async (pair) => {
				let seed = 0;
				const job = (): ServerJob => {
					seed += 1;
					const count = context.sizes.smallPuts * connections;
					return { kind: 'small-puts', connections, count, sizeBytes: FILE_BYTES, seed };
				};
				await storeAndCheck(pair, CHECKED_FILES, connections);
				const compared = await compareServers(context, pair, job, requestsPerSecond, { settle: true });
				return { unit: 'requests/s', ...compared, goal: atLeast(goal, compared.ratio, 'x') };
			}),
	};
}

const getSmall: Row = {
	id: 'get-small',
	title: `4-KiB GETs of many files, ${GET_CONNECTIONS} connections`,
	measure: (context) =>
		withServers(context, async (pair) => {
			const paths = await storeAndCheck(pair, context.sizes.smallFiles, GET_CONNECTIONS);
			await pair.settle();
			const job = ({ name }: ServerProcess, round: number): ServerJob => ({
				kind: 'gets',
				connections: GET_CONNECTIONS,
				count: context.sizes.smallGets,
				paths: paths[name],
				seed: round + 2,
			});
			const compared = await compareServers(context, pair, job, requestsPerSecond);
			return { unit: 'requests/s', ...compared, goal: atLeast(GET_GOAL, compared.ratio, 'x') };
		}),
};

export const smallFileRows: readonly Row[] = [getSmall, putRow(16, 0.8), putRow(64, 1.2)];

/** The same files in both servers; where each serves them. Both must give back the same bytes. */
async function storeAndCheck(
	pair: ServerPair,
	count: number,
	connections: number,
): Promise<Record<ServerProcess['name'], readonly string[]>> {
	const seed = 9_000_000;
	const store = async (server: ServerProcess): Promise<readonly string[]> => {
		const stored = await pair.run(server, { kind: 'small-puts', connections, count, sizeBytes: FILE_BYTES, seed });
		return stored.locations;
	};
	const paths = { perigee: await store(pair.perigee), bare: await store(pair.bare) };
	const digests = new Set<string | undefined>();
	for (const server of [pair.perigee, pair.bare]) {
		const checked = await pair.run(server, {
			kind: 'gets',
			connections,
			count: CHECKED_FILES,
			paths: paths[server.name],
			seed: 1,
			digest: true,
		});
		digests.add(checked.digest);
	}
	if (digests.size !== 1) throw new Error('the files differ');
	return paths;
}
